# Arrays as people have them: measurements, images, tables with text columns, sparse matrices.
import time
import numpy
import pandas
import scipy.sparse

random = numpy.random.default_rng(1)
time_axis = numpy.arange(200_000) / 1000
signal = numpy.sin(time_axis) + 0.1 * random.standard_normal(time_axis.size)
spectrum = numpy.fft.rfft(signal)
image = (numpy.hypot(*numpy.mgrid[-300:300, -300:300]) % 256).astype(numpy.uint8)
image += random.integers(0, 4, image.shape, dtype=numpy.uint8)
walk = numpy.cumsum(random.integers(-3, 4, 300_000))
weights = random.standard_normal((400, 500)).astype(numpy.float32)
labels = random.integers(0, 12, 200_000, dtype=numpy.int32)
matrix = scipy.sparse.random(3000, 3000, density=0.01, random_state=2, format="csr")

cities = numpy.array(["Berlin", "Lagos", "Lima", "Osaka", "Pune", "Turin"])
days = pandas.date_range("2020-01-01", periods=60_000, freq="min")
table = pandas.DataFrame({
    "at": days,
    "city": cities[random.integers(0, len(cities), days.size)],
    "kelvin": numpy.round(random.normal(288, 8, days.size), 1),
    "count": random.poisson(3, days.size),
    "name": [f"sensor-{number % 977:04}" for number in range(days.size)],
})
hourly = table.groupby(["city", table["at"].dt.floor("h")])[["kelvin", "count"]].mean()
joined = table.assign(hour=table["at"].dt.floor("h")).merge(
    hourly.reset_index(), left_on=["city", "hour"], right_on=["city", "at"], suffixes=("", "_mean"))
print("corpus: ready", flush=True)
time.sleep(3600)
