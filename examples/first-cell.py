# first-cell.py - the air above Mauna Loa: a table, a plot, and one error on purpose.
# cellblock run -s first --input examples/co2.csv examples/first-cell.py
import matplotlib.pyplot as plt
import pandas as pd

weekly = pd.read_csv("/input/co2.csv", parse_dates=["date"], index_col="date")["co2"]
yearly = weekly.groupby(weekly.index.year).mean()

print(f"{weekly.count()} weekly measurements, {weekly.index[0]:%B %Y} to {weekly.index[-1]:%B %Y}")
print(pd.DataFrame({
    "CO2 (ppm)": yearly,
    "rise a year": yearly.diff().rolling(10).mean(),
}).rename_axis("year").loc[1970:2000:10].round(2))

figure, axes = plt.subplots(figsize=(8, 4.5))
axes.plot(weekly.index, weekly, linewidth=0.7, label="each week: the forests breathe")
axes.plot(pd.to_datetime(yearly.index.astype(str)) + pd.DateOffset(months=6), yearly,
          color="black", label="mean of the year")
axes.set_ylabel("CO2 (ppm)")
axes.set_title("Carbon dioxide in the air, Mauna Loa, Hawaii")
axes.legend()
figure.savefig("/output/co2.png", dpi=120)
plt.show()


def mean_of(year):
    if year not in yearly.index:
        raise ValueError(f"nobody measured in {year}: the record begins in {yearly.index[0]}")
    return yearly[year]


mean_of(1900)  # an error on purpose: it comes back clean, and the session lives on
