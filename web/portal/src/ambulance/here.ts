/** Where somebody is, in degrees. */
export interface Position {
  latitude: number;
  longitude: number;
  /** Within how many metres it is so. */
  accuracy?: number;
}

/**
 * Where the vehicle is, if it tells within some milliseconds. It is measured anew: where it was half a minute ago is no sign
 * that it is still there.
 */
export function here(patience = 2_000): Promise<Position | undefined> {
  return new Promise((done) => {
    if (!("geolocation" in navigator)) return done(undefined);
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => done({ latitude: coords.latitude, longitude: coords.longitude, accuracy: coords.accuracy }),
      () => done(undefined),
      { timeout: patience, maximumAge: 5_000, enableHighAccuracy: true },
    );
  });
}
