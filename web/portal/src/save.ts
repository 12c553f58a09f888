/** Puts a spreadsheet where the browser keeps what was downloaded. */
export function save(name: string, text: string): void {
  const file = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = file;
  link.download = name;
  link.click();
  URL.revokeObjectURL(file);
}
