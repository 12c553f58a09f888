use testkit::place::Place;

/// What Citus asks of a table before it can be distributed on a column.
/// <https://docs.citusdata.com/en/stable/develop/reference_ddl.html>
#[tokio::test(flavor = "multi_thread")]
async fn every_primary_and_unique_key_holds_the_distribution_column() {
    let place = Place::postgres().await;
    let database = place.database().unwrap();
    let keys = database.query(
        "SELECT c.relname || '|' || i.relname || '|' || \
         (SELECT string_agg(a.attname, ',') FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY(x.indkey)) \
         FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND (x.indisunique OR x.indisprimary)",
    );
    assert!(keys.len() >= 7, "{keys:?}");
    for key in &keys {
        assert!(key.split('|').nth(2).unwrap().split(',').any(|column| column == "shard"), "{key}");
    }
    let without = database.query(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = 'public' AND c.relkind = 'r' AND NOT EXISTS \
         (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'shard' AND a.attnotnull)",
    );
    assert_eq!(without, Vec::<String>::new(), "every table has the distribution column");
}
