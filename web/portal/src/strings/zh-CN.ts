export { default as components } from "antd/es/locale/zh_CN";
export { default as strings } from "./zh-CN.json";
