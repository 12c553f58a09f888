/** Where somebody is, in degrees. */
export interface Position {
  latitude: number;
  longitude: number;
}

/** Where the vehicle is, if it tells within a moment. */
export function here(): Promise<Position | undefined> {
  return new Promise((done) => {
    if (!("geolocation" in navigator)) return done(undefined);
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => done({ latitude: coords.latitude, longitude: coords.longitude }),
      () => done(undefined),
      { timeout: 2_000, maximumAge: 30_000 },
    );
  });
}
