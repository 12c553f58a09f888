import { expect, test } from "vitest";
import { EventReader } from "../src/events";

test("events are read whole however the stream is cut", () => {
  const stream = "retry: 2000\r\n\r\n: still here\n\nid: 7\nevent: change\ndata: {\"a\":\ndata: 1}\n\nid:8\ndata:北京\n\n";
  const whole = new EventReader().read(stream);
  const reader = new EventReader();
  const cut = [...stream].flatMap((letter) => reader.read(letter));
  expect(cut).toEqual(whole);
  expect(whole).toEqual([
    { name: "change", data: '{"a":\n1}', id: "7" },
    { name: "message", data: "北京", id: "8" },
  ]);
  expect(reader.retry).toBe(2000);
});

test("an event that the stream did not complete is not told", () => {
  expect(new EventReader().read("data: half\n")).toEqual([]);
});

test("an id on its own is kept for the next connection", () => {
  const reader = new EventReader();
  expect(reader.read("id: 41\n\n")).toEqual([]);
  expect(reader.lastId).toBe("41");
});
