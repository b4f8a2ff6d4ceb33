import duckdb

print(
    duckdb.sql("""
        SELECT dataset, method, avg(rise) AS rise, count(rise) AS n
        FROM 'samples.parquet' GROUP BY ALL ORDER BY rise
    """)
)
