"""Arrays of numpy and scipy, and bytes."""
# ruff: noqa: E501, F401

from typing import Any

import numpy as np
import scipy.sparse

from tests.values.dtypes import NUMBERS
from tests.values.process import Value

NAN = float("nan")
PADDED = np.dtype({"names": ["a", "b"], "formats": ["u1", "f8"], "offsets": [0, 8], "itemsize": 24})
OVERLAID = np.dtype({"names": ["a", "b"], "formats": ["u4", "u1"], "offsets": [0, 1]})


class Own(np.ndarray):
    """An array that is more than an array."""


ARRAYS = {
    **{f"dtype_{d}": f"np.array([1, 0, 2], '{d}')" for d in ("bool", *NUMBERS)},
    "odd_floats": "np.array([NAN, -0.0, np.inf, -np.inf, 5e-324])",
    "odd_complex": "np.array([complex(NAN, -0.0)])",
    "byte_order": "np.array([1, 2], '>i4')",
    "byte_order_scalar": "np.array(5, '>i2')",
    "byte_order_float": "np.array([1.5], '>f8')",
    "text": "np.array(['a', 'ßx', ''])",
    "text_big_endian": "np.array(['a'], '>U3')",
    "bytes": "np.array([b'a', b'bc'])",
    "void": "np.array([b'ab', b'cd'], 'V2')",
    "datetime_D": "np.array(['2024-01-01', 'NaT'], 'M8[D]')",
    "datetime_ns": "np.array(['2024-01-01'], 'M8[ns]')",
    "datetime_25s": "np.array([1], 'M8[25s]')",
    "timedelta": "np.array([1, -1], 'm8[h]')",
    "timedelta_generic": "np.array([1], 'm8')",
    "scalar": "np.array(5.0)",
    "scalar_text": "np.array('a')",
    "empty": "np.array([])",
    "empty_shape": "np.zeros((0, 3), 'f4')",
    "empty_shape_inner": "np.zeros((3, 0, 2))",
    "three_dimensions": "np.arange(24).reshape(2, 3, 4)",
    "fortran": "np.asfortranarray(np.arange(6.0).reshape(2, 3))",
    "strided": "np.arange(20)[::3]",
    "backwards": "np.arange(5)[::-1]",
    "transposed": "np.arange(6).reshape(2, 3).T",
    "broadcast": "np.broadcast_to(np.arange(3), (2, 3))",
    "read_only": "np.frombuffer(b'abcd', 'u1')",
    "record": "np.array([(1, 2.0, 'x')], [('a', 'u1'), ('b', 'f8'), ('c', 'U3')])",
    "record_aligned": "np.array([(1, 2.0)], np.dtype([('a', 'u1'), ('b', 'f8')], align=True))",
    "record_padded": "np.array([(1, 2.0)], PADDED)",
    "record_nested": "np.array([((1, 2), 3)], [('p', [('x', 'i1'), ('y', 'i1')]), ('z', 'i2')])",
    "record_with_array": "np.array([([1, 2],)], [('a', 'i4', (2,))])",
    "record_titles": "np.array([(1,)], [(('Title', 'a'), 'i4')])",
    "record_odd_names": "np.array([(1, 2)], [('ß', 'i4'), ('a b', 'i4')])",
}

SPARSE = {
    **{
        f"{kind}_{form}": f"scipy.sparse.{form}_{kind}(np.array([[0, 1.5], [0, 0], [2, 0]]))"
        for kind in ("array", "matrix")
        for form in ("csr", "csc", "coo", "bsr", "dia")
    },
    "float32": "scipy.sparse.csr_array(np.eye(2, dtype='f4'))",
    "int": "scipy.sparse.csr_array(np.eye(2, dtype='i8'))",
    "bool": "scipy.sparse.csr_array(np.eye(2, dtype='?'))",
    "complex": "scipy.sparse.csr_array(np.array([[1j, 0]]))",
    "empty": "scipy.sparse.csr_array((3, 0))",
    "coo_one_dimension": "scipy.sparse.coo_array(np.array([0, 1, 0]))",
    "stored_zeros": "scipy.sparse.csr_array((np.zeros(1), np.zeros(1, 'i4'), np.array([0, 1], 'i4')), shape=(1, 2))",
}

VALUES = [
    *(Value(f"array-{name}", "np.ndarray", source) for name, source in ARRAYS.items()),
    *(Value(f"sparse-{name}", f"type({source})", source) for name, source in SPARSE.items()),
    Value("annotated", "np.typing.NDArray[np.float64]", "np.zeros(2)"),
    Value("read-as-Any", "np.ndarray", "np.zeros(2)", reader="Any"),
    Value("list", "list[np.ndarray]", "[np.zeros(2), np.array(['a'])]"),
    Value("list-annotated", "list[np.typing.NDArray[np.int8]]", "[np.zeros(2, 'i1')]"),
    Value("dict", "dict[str, np.ndarray]", "{'b': np.zeros(2), 'a': np.ones(1), '$': np.array(1)}"),
    Value("dict-int-keys", "dict[int, np.ndarray]", "{2: np.zeros(2), 1: np.ones(1)}"),
    Value(
        "dict-of-sparse",
        "dict[str, scipy.sparse.csr_array]",
        "{'x': scipy.sparse.csr_array(np.eye(2))}",
    ),
    Value(
        "dict-keys-other",
        "dict[str, np.ndarray]",
        "{1: np.zeros(2)}",
        "an?y? ?.*1 .int.*string is expected",
    ),
    Value("bytes", "bytes", "b'\\0\\xff'"),
    Value("bytes-empty", "bytes", "b''"),
    Value("list-of-bytes", "list[bytes]", "[b'a', b'']"),
    Value("bytes-dict", "dict[str, bytes]", "{'a': b'x'}"),
    Value("bytearray-for-bytes", "bytes", "bytearray(b'x')", "bytes is expected"),
    Value("memoryview-for-bytes", "bytes", "memoryview(b'x')", "bytes is expected"),
    Value(
        "objects",
        "np.ndarray",
        "np.array([None, 'a'])",
        "dtype object, which only pickle can write",
    ),
    Value("objects-in-record", "np.ndarray", "np.array([(1,)], [('a', 'O')])", "only pickle"),
    Value("long-double", "np.ndarray", "np.array([1, 2], 'longdouble')", "float128.*machines"),
    Value("long-complex", "np.ndarray", "np.array([1], 'clongdouble')", "complex256"),
    Value(
        "long-double-in-a-record",
        "np.ndarray",
        "np.zeros(1, [('a', 'longdouble', (2,))])",
        "float128",
    ),
    Value(
        "string-dtype", "np.ndarray", "np.array(['a'], np.dtypes.StringDType())", "astype\\('U'\\)"
    ),
    Value("masked", "np.ndarray", "np.ma.masked_array([1, 2], [True, False])", "masked"),
    Value(
        "matrix",
        "np.ndarray",
        "np.asmatrix(np.eye(2))",
        "matrix, a subclass of np.ndarray.*np.asarray",
    ),
    Value(
        "recarray",
        "np.ndarray",
        "np.rec.array([(1, 2)], [('a', 'i4'), ('b', 'i4')])",
        "recarray, a subclass",
    ),
    Value(
        "record-dtype",
        "np.ndarray",
        "np.zeros(1, np.dtype((np.record, [('a', 'i4')])))",
        "np.record",
    ),
    Value("own-subclass", "np.ndarray", "np.zeros(2).view(Own)", "Own, a subclass of np.ndarray"),
    Value("record-overlaid", "np.ndarray", "np.zeros(1, OVERLAID)", "npy"),
    Value(
        "dtype-metadata",
        "np.ndarray",
        "np.zeros(1, np.dtype('f8', metadata={'unit': 'm'}))",
        "metadata",
    ),
    Value("scalar-for-an-array", "np.ndarray", "np.float64(1)", "A numpy array is expected"),
    Value("list-for-an-array", "np.ndarray", "[1, 2]", "A numpy array is expected"),
    Value("sparse-lil", "scipy.sparse.lil_array", "scipy.sparse.lil_array((2, 2))", "tocsr"),
    Value("sparse-dok", "scipy.sparse.dok_matrix", "scipy.sparse.dok_matrix((2, 2))", "tocsr"),
    Value(
        "sparse-for-an-array",
        "np.ndarray",
        "scipy.sparse.csr_array((2, 2))",
        "A numpy array is expected",
    ),
    Value("array-for-sparse", "scipy.sparse.csr_array", "np.zeros((2, 2))", "sparse"),
]
