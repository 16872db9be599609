"""Fetch a released file: resumed where it broke off, and whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pooch
import requests

from napari_medad.errors import MedadError
from napari_medad.weights.catalogue import Release

CHUNK = 1 << 20
TIMEOUT_S = 30


def download(
    release: Release,
    by_hand: str,
    folder: Path,
    report: Callable[[int, int], None] | None = None,
) -> Path:
    """Download a release into `folder` and check it.

    A broken or cancelled download leaves `FILE.part`, and the next one goes on from there.

    Parameters
    ----------
    release : Release
    by_hand : str
        The command that takes the file when it was downloaded elsewhere.
    folder : Path
    report : callable, optional
        Takes bytes done and in all; may raise to cancel.

    Raises
    ------
    MedadError
        Without network, or if the file's sha256 is not the catalogue's.
    """
    part = folder / f"{release.file}.part"

    def resumed(url: str, output: str, _: Any) -> None:
        _resume(url, part, release.bytes, report)
        part.replace(output)

    pooch.get_logger().setLevel("ERROR")
    try:
        path = pooch.retrieve(
            release.address,
            release.sha256 and f"sha256:{release.sha256}",
            release.file,
            folder,
            downloader=resumed,
        )
    except (requests.ConnectionError, requests.Timeout):
        host = urlsplit(release.address).netloc
        raise MedadError(
            f"{host} cannot be reached from here; download {release.address} "
            f"({release.size}, sha256 {release.sha256 or 'not stated'}) elsewhere, then run "
            f"`{by_hand}`."
        ) from None
    except requests.HTTPError as error:
        raise MedadError(
            f"{release.file} cannot be downloaded ({error}); see whether its authors have moved it."
        ) from None
    except requests.RequestException:
        raise MedadError(
            f"The connection broke while downloading {release.file}; fetch it again to go on from "
            "where it stopped."
        ) from None
    except ValueError:
        raise MedadError(
            f"{release.file} from {release.address} is not the file that was expected (its sha256 "
            "differs), so it was thrown away; fetch it again."
        ) from None
    except OSError as error:
        raise MedadError(
            f"{folder / release.file} was not written: {error.strerror or error}; free space or "
            "set MEDAD_WEIGHTS to another folder."
        ) from None
    return Path(path)


def _resume(
    url: str, part: Path, total: int | None, report: Callable[[int, int], None] | None
) -> None:
    """Append to `part` what it still lacks of `url`."""
    have = part.stat().st_size if part.is_file() else 0
    if have == total:
        return
    wanted = {"Range": f"bytes={have}-"} if have else {}
    with requests.get(url, headers=wanted, stream=True, timeout=TIMEOUT_S) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            if answer.headers.get("Content-Range") == f"bytes */{have}":
                return
            part.unlink()
        answer.raise_for_status()
        resumes = answer.status_code == requests.codes.partial_content
        have = have if resumes else 0
        total = total or have + int(answer.headers.get("Content-Length", 0))
        with part.open("ab" if resumes else "wb") as stream:
            for chunk in answer.iter_content(CHUNK):
                stream.write(chunk)
                have += len(chunk)
                if report is not None:
                    report(have, total)
