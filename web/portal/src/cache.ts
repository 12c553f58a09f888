import { QueryClient, type InvalidateOptions, type InvalidateQueryFilters } from "@tanstack/react-query";

/**
 * What was read of the record, renewed when it is told to be old.
 *
 * A first reading that is still under way when something changes may have been answered before the change. The library
 * would take that answer for current, and the screen would stay without the change until the next one; here such a
 * reading is followed by another.
 */
export class Cache extends QueryClient {
  override async invalidateQueries(filters: InvalidateQueryFilters = {}, options: InvalidateOptions = {}): Promise<void> {
    const underWay = this.getQueryCache()
      .findAll(filters)
      .filter(({ state }) => state.fetchStatus !== "idle" && state.data === undefined);
    const again = underWay.map(async (query) => {
      // Joins the reading that is under way, and begins none.
      await query.fetch().catch(() => undefined);
      await super.invalidateQueries({ queryKey: query.queryKey, exact: true }, options);
    });
    await Promise.all([super.invalidateQueries(filters, options), ...again]);
  }
}
