import polars as pl

df = pl.scan_parquet("samples.parquet")
best = df.group_by("dataset", "method").agg(pl.col("rise").mean()).sort("rise")
print(best.collect())
