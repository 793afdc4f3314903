# shellcheck shell=bash
# What is given away as the source: the tracked files, as they are in the working tree. Sourced by
# bash, with the checkout as working directory.

# release: the version in META.json, of three numbers.
release() { sed -n '/"meta-spec"/q; s/^ *"version": "\([^"]*\)".*/\1/p' META.json | head -n 1; }

# our_git ARGUMENT…: git refuses a checkout of another user, which root's often is, unless it is told
# that this is meant.
our_git() { git -c safe.directory="$PWD" "$@"; }
is_checkout() { [ -e .git ]; }

# uncommitted: the tracked files that are not as in the last commit, a line each.
uncommitted() { our_git status --porcelain --untracked-files=no; }

# archive_source FORMAT FOLDER: the source as a tar or zip, in this folder, on standard output.
archive_source() {
  if ! is_checkout; then
    # Somebody has unpacked it: all but what make has built.
    [ "$1" = tar ] || die 'Only a git checkout knows which files belong to the source.'
    tar -c --owner=0 --group=0 --exclude=./build --exclude=./src/exports.list --exclude='./ticketpool--*.sql' --exclude='./ticketpool_router--*.sql' \
      --exclude='*.so' --exclude='*.[od]' --transform="s|^\.|$2|" .
  elif [ -z "$(uncommitted)" ]; then
    our_git archive --format="$1" --prefix="$2/" HEAD
  else
    archive_changed "$@"
  fi
}

# archive_changed FORMAT FOLDER: with changes that are not committed. Git needs a tree object for that:
# it is written to a folder of its own, and so is the index.
archive_changed() {
  local scratch objects index tree status=0
  scratch=$(mktemp -d)
  objects=$(our_git rev-parse --git-path objects) index=$(our_git rev-parse --git-path index)
  mkdir "$scratch/objects"
  cp "$index" "$scratch/index"
  (
    export GIT_INDEX_FILE=$scratch/index GIT_OBJECT_DIRECTORY=$scratch/objects GIT_ALTERNATE_OBJECT_DIRECTORIES
    GIT_ALTERNATE_OBJECT_DIRECTORIES=$(realpath "$objects")
    our_git add --update && tree=$(our_git write-tree) && our_git archive --format="$1" --prefix="$2/" "$tree"
  ) || status=$?
  rm -rf "$scratch"
  return "$status"
}
