import type { Parameters } from "@qingshan/client";

/** The largest file that is sent, in bytes; the record takes no larger one apart. */
export const LARGEST = 8 << 20;

/** The bytes of a file in base 64. */
export function encoded(file: Blob): Promise<string> {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(file);
  });
}

/** Whether a file in base 64 is one of DICOM: four letters after 128 bytes of anything (PS3.10 7.1). */
const isDicom = (data: string): boolean => {
  try {
    return atob(data.slice(0, 176)).slice(128) === "DICM";
  } catch {
    return false;
  }
};

/** The files of electrocardiographs that the record takes apart, as a browser asks for them. */
export const KINDS = ".xml,application/xml,text/xml,.dcm,.dicom,application/dicom";

/** A file of an electrocardiograph as the record takes it. */
export function fileOf(file: { name: string; type: string; data: string }, isConfirmed = false): Parameters {
  return {
    resourceType: "Parameters",
    parameter: [
      { name: "file", valueAttachment: { contentType: file.type || (isDicom(file.data) ? "application/dicom" : "application/xml"), data: file.data, title: file.name } },
      ...(isConfirmed ? [{ name: "confirmed", valueBoolean: true }] : []),
    ],
  };
}
