/**
 * What a tablet keeps of a drive until the record has it. It outlives a killed tab, a flat battery and a day in a tunnel;
 * it does not outlive the case: what the record has confirmed and nobody needs any more is removed.
 */
const NAME = "qingshan.ambulance";
const DRIVES = "drives";
const PACKS = "packs";

let opened: Promise<IDBDatabase> | undefined;

function open(): Promise<IDBDatabase> {
  opened ??= new Promise((done, failed) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(DRIVES, { keyPath: "id" });
      request.result.createObjectStore(PACKS, { keyPath: "account" });
    };
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
  return opened;
}

/** Does something in one transaction; it is durable once this is over. */
async function within<T>(store: string, mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await open();
  return new Promise((done, failed) => {
    const transaction = database.transaction(store, mode, { durability: "strict" });
    const request = act(transaction.objectStore(store));
    transaction.oncomplete = () => done(request.result);
    transaction.onerror = () => failed(transaction.error);
    transaction.onabort = () => failed(transaction.error);
  });
}

/** Keeps a drive that was just begun. */
export async function keepDrive(drive: { id: string }): Promise<void> {
  await within(DRIVES, "readwrite", (store) => store.put(drive));
}

/** Changes a drive and gives it as it stands then. What two tabs do to it at once happens one after the other. */
export async function changeDrive<T extends { id: string }>(id: string, change: (drive: T) => T): Promise<T> {
  const database = await open();
  return new Promise((done, failed) => {
    const transaction = database.transaction(DRIVES, "readwrite", { durability: "strict" });
    const store = transaction.objectStore(DRIVES);
    const found = store.get(id) as IDBRequest<T>;
    let changed: T | undefined;
    found.onsuccess = () => {
      if ((found.result as T | undefined) === undefined) return;
      changed = change(found.result);
      store.put(changed);
    };
    transaction.oncomplete = () => (changed === undefined ? failed(new Error("no such drive")) : done(changed));
    transaction.onerror = () => failed(transaction.error);
    transaction.onabort = () => failed(transaction.error);
  });
}

/** All drives that are kept, of whomever. */
export async function keptDrives<T>(): Promise<T[]> {
  return (await within(DRIVES, "readonly", (store) => store.getAll())) as T[];
}

/** Removes a drive. */
export async function dropDrive(id: string): Promise<void> {
  await within(DRIVES, "readwrite", (store) => store.delete(id));
}

/** Keeps what is needed to begin a case without a line: no patient is in it. */
export async function keepPack(pack: { account: string }): Promise<void> {
  await within(PACKS, "readwrite", (store) => store.put(pack));
}

/** What was kept to begin a case without a line. */
export async function keptPack<T>(account: string): Promise<T | undefined> {
  return (await within(PACKS, "readonly", (store) => store.get(account))) as T | undefined;
}

/** Removes every drive that the record has the whole of, for whoever comes to this device next. */
export async function dropDelivered(): Promise<void> {
  const drives = await keptDrives<{ id: string; letters: { sent?: string }[] }>();
  for (const { id, letters } of drives) if (letters.every(({ sent }) => sent !== undefined)) await dropDrive(id);
}
