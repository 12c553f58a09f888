export { default as components } from "antd/es/locale/en_US";
export { default as strings } from "./en.json";
