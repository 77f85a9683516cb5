#!/usr/bin/env bash
# Downloads PASCAL VOC 2010 and the labels of PASCAL Context, and converts them.
set -euo pipefail

VOC_BASE_URL=${VOC_BASE_URL:-http://host.robots.ox.ac.uk/pascal/VOC/voc2010}
CONTEXT_BASE_URL=${CONTEXT_BASE_URL:-https://cs.stanford.edu/~roozbeh/pascal-context}
JSON_BASE_URL=${JSON_BASE_URL:-https://codalabuser.blob.core.windows.net/public}
VOC_ARCHIVE=VOCtrainval_03-May-2010.tar
CONTEXT_ARCHIVE=trainval.tar.gz
JSON_FILE=trainval_merged.json
CANNOT_RESUME=33

usage() {
    cat <<TEXT
usage: bash pascal_context_preparation.sh [--data DIR] [--json] [--nproc N] [--help]

Prepares data/VOCdevkit/VOC2010 for the PASCAL Context configs: downloads VOC 2010
(1.3 GB) and the 459-label .mat files, extracts and converts them. What is there
already is not done again, and a download that was cut short is resumed.

  --data DIR   where to put everything (default: data)
  --json       also download the merged JSON and take the training and validation
               lists from it: 4996 and 5104 images, as in published results. Without it
               the lists are VOC 2010's own, 4998 and 5105 images
  --nproc N    processes for the conversion (default: 4)

Mirrors: set VOC_BASE_URL, CONTEXT_BASE_URL or JSON_BASE_URL. They are now
  $VOC_BASE_URL
  $CONTEXT_BASE_URL
  $JSON_BASE_URL
PYTHON names the Python to use (default: .venv/bin/python if it is there, else python).
TEXT
}

fail() {
    echo "error: $*" >&2
    exit 2
}

not_downloaded() {
    fail "$1 could not be downloaded (code $fetched): check the network, or set a mirror (see" \
        "--help); what arrived stays in $2 and is resumed."
}

# fetch URL PART: downloads or resumes PART and leaves the exit code in fetched.
fetch() {
    fetched=0
    if command -v curl > /dev/null; then
        curl --fail --location --retry 3 --progress-bar -C - -o "$2" "$1" || fetched=$?
    elif command -v wget > /dev/null; then
        wget --continue --tries=3 -O "$2" "$1" || fetched=$?
    else
        fail "neither curl nor wget is installed, one of them is needed to download $1."
    fi
}

# is_complete PART CHECK...
is_complete() {
    local part=$1
    shift
    "$@" "$part" > /dev/null 2>&1
}

# download URL FILE CHECK...: CHECK FILE must succeed once the file is complete.
download() {
    local url=$1 file=$2
    shift 2
    if [ -f "$file" ]; then
        echo "$file: there already"
        return
    fi
    echo "downloading $url"
    mkdir -p "$(dirname "$file")"
    fetch "$url" "$file.part"
    if [ "$fetched" -eq "$CANNOT_RESUME" ] && ! is_complete "$file.part" "$@"; then
        rm -f "$file.part"
        fetch "$url" "$file.part"
    fi
    # Asked to go on behind the end of a complete file, servers answer with an error
    # (22 and 33 of curl, 8 of wget); then the file itself decides.
    case $fetched in
        0 | 8 | 22 | 33) ;;
        *) not_downloaded "$url" "$file.part" ;;
    esac
    if ! is_complete "$file.part" "$@"; then
        [ "$fetched" -eq 0 ] || not_downloaded "$url" "$file.part"
        rm -f "$file.part"
        fail "$url arrived damaged and was deleted: run this again, or set a mirror (see --help)."
    fi
    mv "$file.part" "$file"
}

# extract ARCHIVE FOLDER MARKER: MARKER is written last, so it tells a complete extraction.
extract() {
    local archive=$1 folder=$2 marker=$3
    if [ -f "$marker" ]; then
        echo "$archive: extracted already"
        return
    fi
    echo "extracting $archive"
    mkdir -p "$folder"
    tar -xf "$archive" -C "$folder" || fail "$archive could not be extracted into $folder."
    touch "$marker"
}

data=data
nproc=4
with_json=
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --data) [ $# -gt 1 ] || fail '--data needs a folder.'; data=$2; shift 2 ;;
        --nproc) [ $# -gt 1 ] || fail '--nproc needs a number.'; nproc=$2; shift 2 ;;
        --json) with_json=yes; shift ;;
        *) usage >&2; fail "unknown argument $1." ;;
    esac
done

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-}
if [ -z "$python" ]; then
    python=python
    [ -x "$repository/.venv/bin/python" ] && python=$repository/.venv/bin/python
fi
command -v "$python" > /dev/null || fail "$python was not found: run bash env_install.sh first."
mkdir -p "$data" 2> /dev/null || fail "$data can not be written."

downloads=$data/downloads
download "$VOC_BASE_URL/$VOC_ARCHIVE" "$downloads/$VOC_ARCHIVE" tar -tf
download "$CONTEXT_BASE_URL/$CONTEXT_ARCHIVE" "$downloads/$CONTEXT_ARCHIVE" tar -tzf
arguments=("$data/VOCdevkit" --mat-dir "$data/VOCdevkit/VOC2010/context_mat/trainval"
    --nproc "$nproc")
if [ -n "$with_json" ]; then
    download "$JSON_BASE_URL/$JSON_FILE" "$downloads/$JSON_FILE" "$python" -m json.tool
    arguments+=("$downloads/$JSON_FILE")
fi

extract "$downloads/$VOC_ARCHIVE" "$data" "$data/VOCdevkit/VOC2010/.extracted"
extract "$downloads/$CONTEXT_ARCHIVE" "$data/VOCdevkit/VOC2010/context_mat" \
    "$data/VOCdevkit/VOC2010/context_mat/.extracted"
"$python" "$repository/tools/dataset_converters/pascal_context.py" "${arguments[@]}"
echo "done: $data/VOCdevkit/VOC2010"
