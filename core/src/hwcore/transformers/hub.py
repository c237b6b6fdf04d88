"""Where a model's folder is: on this disk, or on the hub."""

from __future__ import annotations

import re
from pathlib import Path

from hwcore.contract import UserError
from hwcore.transformers.libraries import require

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors")
VOCABULARIES = ("vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model")
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    *VOCABULARIES,
)
PROCESSOR = ("preprocessor_config.json",)
CODE = ("*.py",)


def locate(model: str | Path, *, revision: str | None, remote_code: bool) -> Path:
    """The absolute folder of a local model, or of a hub model after downloading it.

    Only the files named above are downloaded. Raises `UserError` when neither is there.
    """
    folder = Path(model).expanduser()
    if folder.exists() or isinstance(model, Path) or not _REPOSITORY.fullmatch(model):
        if revision is not None:
            raise UserError(
                f"{model} is a local folder, and --revision is for hub models",
                hint="Leave the revision out.",
            )
        return folder.absolute()
    return _download(model, revision, remote_code)


def _download(repository: str, revision: str | None, remote_code: bool) -> Path:
    hub = require("huggingface_hub")
    errors = require("huggingface_hub.errors")
    name = f"{repository} (revision {revision})" if revision else repository
    patterns = ["config.json", *WEIGHTS, *TOKENIZER, *PROCESSOR, *(CODE if remote_code else ())]
    try:
        folder = hub.snapshot_download(
            repository,
            revision=revision,
            allow_patterns=patterns,
            library_name="hwcore",
        )
    except errors.GatedRepoError as error:
        raise UserError(
            f"the hub model {name} is gated",
            hint="Accept its terms on its page, then log in: hf auth login",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f"there is no folder {repository!r} here and no hub model of that name",
            hint="Check the spelling; for a private model, log in: hf auth login",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UserError(
            f"the hub model {repository} has no revision {revision!r}",
            hint="Name one of its branches, tags or commits.",
        ) from error
    except errors.LocalEntryNotFoundError as error:
        offline = hub.is_offline_mode()
        why = "offline mode is on" if offline else "the hub cannot be reached"
        raise UserError(
            f"there is no folder {repository!r} here, the hub model {name} is not in the local "
            f"cache, and {why}",
            hint="Unset HF_HUB_OFFLINE, or name a local folder."
            if offline
            else "Check the network, or name a local folder.",
        ) from error
    except (errors.HfHubHTTPError, errors.HFValidationError) as error:
        raise UserError(
            f"the hub refused {name}: {str(error).splitlines()[0]}",
            hint="Check the name, and whether its page opens in a browser; or try again later.",
        ) from error
    return Path(folder)
