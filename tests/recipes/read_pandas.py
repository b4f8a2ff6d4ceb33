import pandas as pd

df = pd.read_parquet("samples.parquet", columns=["dataset", "method", "rise", "mas"])
print(df.groupby(["dataset", "method"])[["rise", "mas"]].mean())
