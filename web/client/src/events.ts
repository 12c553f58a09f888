/** One event of an event stream. */
export interface StreamEvent {
  /** What the server calls it; `message` when it does not say. */
  name: string;
  data: string;
  /** The last id the server gave on this stream, which need not be this event's own. */
  id: string | undefined;
}

/**
 * Takes an event stream apart as it arrives, however it is cut into pieces.
 * <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>
 */
export class EventReader {
  /** How long the server wants a client to wait before it connects again, in milliseconds. */
  retry: number | undefined;
  private id: string | undefined;
  private name = "";
  private data: string[] = [];
  private rest = "";

  /** Reads one more piece of text and gives the events it completes. */
  read(piece: string): StreamEvent[] {
    let text = this.rest + piece;
    // Half of a CR LF may be the end of this piece; its other half must not count as an empty line of its own.
    const endsInHalf = text.endsWith("\r");
    if (endsInHalf) text = text.slice(0, -1);
    const lines = text.split(/\r\n|\n|\r/);
    this.rest = (lines.pop() ?? "") + (endsInHalf ? "\r" : "");
    return lines.map((line) => this.line(line)).filter((event) => event !== undefined);
  }

  private line(line: string): StreamEvent | undefined {
    if (line === "") return this.complete();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.data.push(value);
    else if (field === "event") this.name = value;
    else if (field === "id" && !value.includes("\0")) this.id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
    return undefined;
  }

  private complete(): StreamEvent | undefined {
    const event =
      this.data.length === 0 ? undefined : { name: this.name || "message", data: this.data.join("\n"), id: this.id };
    this.name = "";
    this.data = [];
    return event;
  }

  /** The last id the server gave, also on an event that held nothing else. */
  get lastId(): string | undefined {
    return this.id;
  }
}
