"""What is a file by itself: paths, bytes, arrays and figures."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any, Final

from waterflow.artifacts.base import Context, Serializer, library, payload_file, wrong_type
from waterflow.artifacts.folder import MANIFEST, entry
from waterflow.errors import ArtifactError

_BYTES: Final = "value.bin"
_ARRAY: Final = "array.npy"
_SPARSE: Final = "array.npz"
_FIGURE: Final = "figure.png"

_NUMPY: Final = "A numpy array as an artifact"
_SCIPY: Final = "A sparse array as an artifact"
_SPARSE_FORMATS: Final = ("csr", "csc", "coo", "bsr", "dia")


class PathSerializer(Serializer):
    """A file or folder, copied under its own name.

    A symbolic link that is the value itself is followed; inside a folder links are refused. File
    modes and empty folders are not kept: object stores know neither.
    """

    name = "path"
    format = "path"
    classes = (("pathlib", "PurePath"),)

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Copy the file or folder into the artifact."""
        del context
        if not isinstance(value, Path):
            raise wrong_type(value, "A pathlib.Path")
        name = value.name or value.resolve().name
        if name == MANIFEST:
            raise ArtifactError(
                f"{value} has the name of the artifact's own manifest. Give it another name."
            )
        try:
            if value.is_dir():
                _copy_folder(value.resolve(), folder / name)
            else:
                shutil.copyfile(value, folder / name)
        except FileNotFoundError:
            raise ArtifactError(
                f"The step returned the path {value}, and there is no such file or folder. "
                "Write it before the step returns."
            ) from None
        except OSError as error:
            raise ArtifactError(f"{value} cannot be copied: {error}") from None

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Return the path of the file or folder inside the artifact."""
        del annotation, context
        # Without an entry it was an empty folder: object stores lose it, and the artifact may be
        # read-only.
        return entry(folder) or Path(tempfile.mkdtemp(prefix="waterflow-"))


class BytesSerializer(Serializer):
    """Bytes as they are."""

    name = "bytes"
    format = "bytes"
    classes = (("builtins", "bytes"),)
    derived = False

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `value.bin`."""
        del context
        if type(value) is not bytes:
            raise wrong_type(value, "bytes")
        (folder / _BYTES).write_bytes(value)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read `value.bin`."""
        del annotation, context
        return payload_file(folder, _BYTES, self.name).read_bytes()


class ArraySerializer(Serializer):
    """A numpy array in numpy's own format, without pickle."""

    name = "array"
    format = "npy"
    requires = ("numpy",)
    classes = (("numpy", "ndarray"),)
    derived = False

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `array.npy`, in C order."""
        del context
        numpy = library("numpy", _NUMPY)
        if not isinstance(value, numpy.ndarray):
            raise wrong_type(value, "A numpy array")
        if isinstance(value, numpy.ma.MaskedArray):
            raise ArtifactError(
                "The array is masked, and the npy format holds no mask. Return "
                "array.filled(value), or the data and the mask as two outputs."
            )
        kind: type = type(value)
        if kind is not numpy.ndarray:
            raise ArtifactError(
                f"The value is a {kind.__module__}.{kind.__qualname__}, a subclass of np.ndarray, "
                "and would arrive as an np.ndarray. Return np.asarray(value) if that is enough."
            )
        array: Any = numpy.asarray(value, order="C")
        if array.dtype.hasobject:
            raise ArtifactError(
                f"The array has dtype {array.dtype}, which only pickle can write. Convert it, for "
                "example array.astype(float) or array.astype('U'), or return a list."
            )
        _refuse_odd_dtype(array.dtype)
        with (folder / _ARRAY).open("wb") as stream, warnings.catch_warnings():
            # Field names beyond ASCII need a younger version of the format, of ten years ago.
            warnings.filterwarnings("ignore", message="Stored array in format")
            numpy.save(stream, without_padding_noise(array), allow_pickle=False)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read `array.npy`."""
        del annotation, context
        numpy = library("numpy", _NUMPY)
        path = payload_file(folder, _ARRAY, self.name)
        try:
            return numpy.load(path, allow_pickle=False)
        except ValueError as error:
            raise ArtifactError(f"{path} is not a readable npy file: {error}") from None


class SparseSerializer(Serializer):
    """A sparse array or matrix of scipy, in scipy's own format."""

    name = "sparse"
    format = "npz"
    requires = ("scipy",)
    classes = (("scipy", "sparray"), ("scipy", "spmatrix"))
    derived = False

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `array.npz`."""
        del context
        sparse = library("scipy.sparse", _SCIPY)
        if not sparse.issparse(value):
            raise wrong_type(value, "A sparse array of scipy")
        if value.format not in _SPARSE_FORMATS:
            raise ArtifactError(
                f"The sparse array has the format '{value.format}', which is for building one and "
                "which no file holds. Return array.tocsr()."
            )
        kind: type = type(value)
        if kind is not getattr(sparse, kind.__name__, None):
            raise ArtifactError(
                f"The value is a {kind.__module__}.{kind.__qualname__}, a subclass of scipy's "
                "sparse arrays. Return scipy.sparse.csr_array(value) if that is enough."
            )
        _refuse_odd_dtype(value.dtype)
        if value.dtype.hasobject:
            raise ArtifactError(
                f"The sparse array has dtype {value.dtype}, which only pickle can write. Convert "
                "it, for example array.astype(float)."
            )
        # Compressing takes its time; what is zero is left out as it is.
        sparse.save_npz(folder / _SPARSE, value, compressed=False)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read `array.npz`."""
        del annotation, context
        sparse = library("scipy.sparse", _SCIPY)
        path = payload_file(folder, _SPARSE, self.name)
        try:
            return sparse.load_npz(path)
        except (ValueError, OSError, KeyError) as error:
            raise ArtifactError(f"{path} is not a readable npz file: {error}") from None


class FigureSerializer(Serializer):
    """A matplotlib figure as PNG; it is read as the path of the picture."""

    name = "figure"
    format = "png"
    requires = ("matplotlib",)
    classes = (("matplotlib", "Figure"),)

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `figure.png`."""
        del context
        if not self.accepts(type(value)):
            raise wrong_type(value, "A matplotlib Figure")
        # Without matplotlib's version and address: the same picture is the same file.
        value.savefig(folder / _FIGURE, format="png", metadata={"Software": None})

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Return the path of `figure.png`."""
        del annotation, context
        return payload_file(folder, _FIGURE, self.name)


def _refuse_odd_dtype(dtype: Any) -> None:
    """Refuse a dtype that the npy format does not give back as it is."""
    numpy = library("numpy", _NUMPY)
    if long := _long_double(dtype):
        raise ArtifactError(
            f"The array holds {long}, whose bytes mean something on machines like this one only. "
            "Convert it: array.astype('float64') or array.astype('complex128')."
        )
    form = numpy.lib.format
    odd = dtype.type is numpy.record or dtype.metadata is not None
    try:
        same = not odd and form.descr_to_dtype(form.dtype_to_descr(dtype)) == dtype
    except (ValueError, TypeError):
        same = False
    if not same:
        what = "np.record" if dtype.type is numpy.record else repr(dtype)
        what = "metadata" if dtype.metadata is not None else what
        raise ArtifactError(
            f"The array has a dtype with {what}, which the npy format does not keep. Convert it "
            "with array.astype(...) to one without."
        )


def _long_double(dtype: Any) -> str | None:
    """Return the name of the long double dtype within a dtype; None where there is none."""
    if dtype.subdtype is not None:
        return _long_double(dtype.subdtype[0])
    if dtype.names:
        return next(filter(None, (_long_double(dtype[name]) for name in dtype.names)), None)
    return dtype.name if dtype.char in "gG" else None


def without_padding_noise(array: Any) -> Any:
    """Return a structured array with the bytes between its fields set to zero.

    They are whatever was in memory, and would make equal arrays differ in their bytes.
    """
    dtype = array.dtype
    if not dtype.names or sum(dtype[name].itemsize for name in dtype.names) == dtype.itemsize:
        return array
    numpy = library("numpy", _NUMPY)
    clean = numpy.zeros(array.shape, dtype)
    for name in dtype.names:
        clean[name] = array[name]
    return clean


def _copy_folder(source: Path, goal: Path) -> None:
    """Copy a folder's files without their modes, which could make the copy unremovable."""
    goal.mkdir()
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.is_symlink():
                raise ArtifactError(
                    f"{entry.path} is a symbolic link. An artifact holds files and folders only: "
                    "put the file itself there."
                )
            if entry.is_dir():
                _copy_folder(Path(entry.path), goal / entry.name)
            else:
                shutil.copyfile(entry.path, goal / entry.name)
