from datasets import load_dataset

ds = load_dataset("parquet", data_files="samples.parquet", split="train")
row = ds.with_format("numpy")[0]
print(row["method"], row["attr"].shape, row["tok"][:5])
