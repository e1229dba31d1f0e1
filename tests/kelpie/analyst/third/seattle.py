"""A third warehouse, from a package nobody had in mind: Seattle's weather of four years, day by day.

vega_datasets 0.9.0 (MIT; the observations are NOAA's, in the public domain). Its wheel is fetched by pip, checked
against a pinned hash, and read as an archive: nothing in it is installed or imported.
"""

import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import duckdb

HERE = pathlib.Path(__file__).parent
MODEL_YAML = (HERE / "model.yaml").read_text(encoding="utf-8")
QUESTIONS = str(HERE / "questions.yaml")
WHEEL = "vega_datasets-0.9.0-py3-none-any.whl"
WHEEL_SHA256 = "3d7c63917be6ca9b154b565f4779a31fedce57b01b5b9d99d8a34a7608062a1d"
COLUMNS = (
    "date DATE PRIMARY KEY, precipitation DECIMAL(6, 1) NOT NULL, temp_max DECIMAL(4, 1) NOT NULL,"
    " temp_min DECIMAL(4, 1) NOT NULL, wind DECIMAL(4, 1) NOT NULL, weather VARCHAR NOT NULL"
)


def fetch_wheel(folder):
    """The wheel's path in `folder`, fetched if it is not there. Raises RuntimeError where it can't be."""
    path = os.path.join(folder, WHEEL)
    if os.path.exists(path) and _sha256(path) == WHEEL_SHA256:
        return path
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        wanted = pathlib.Path(fresh) / "wanted.txt"
        wanted.write_text(f"vega_datasets==0.9.0 --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--quiet"]
        command += ["--disable-pip-version-check", "--dest", fresh, "--requirement", str(wanted)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        fetched = os.path.join(fresh, WHEEL)
        if ran.returncode != 0 or not os.path.exists(fetched):
            raise RuntimeError(f"{WHEEL} could not be fetched: {ran.stderr.strip()[-300:]}")
        os.replace(fetched, path)
    return path


def build_seattle(wheel, path):
    """The warehouse as a DuckDB file at `path`."""
    with tempfile.TemporaryDirectory() as folder:
        csv_path = os.path.join(folder, "weather.csv")
        with zipfile.ZipFile(wheel) as archive, open(csv_path, "wb") as file:
            file.write(archive.read("vega_datasets/_data/seattle-weather.csv"))
        with duckdb.connect(path) as connection:
            connection.execute(f"CREATE TABLE weather ({COLUMNS})")
            connection.execute(
                f"INSERT INTO weather SELECT * FROM read_csv('{csv_path}', header = true, dateformat = '%Y/%m/%d',"
                " columns = {'date': 'DATE', 'precipitation': 'DECIMAL(6, 1)', 'temp_max': 'DECIMAL(4, 1)',"
                " 'temp_min': 'DECIMAL(4, 1)', 'wind': 'DECIMAL(4, 1)', 'weather': 'VARCHAR'})"
            )
    return path


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
