import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reporter.errors import RevisionError
from reporter.isolate.revisions import checked_out, describe_head, find_repository, resolve_base

NewRepository = Callable[..., Any]


def base_files(project: Path, ref: str = "main") -> dict[str, str]:
    """The files of the base as they are laid out, by name."""
    with checked_out(project, resolve_base(project, ref)) as folder:
        return {
            str(path.relative_to(folder)): path.read_text(encoding="utf-8")
            for path in folder.rglob("*")
            if path.is_file()
        }


def assert_base_leaves_alone(tree: Any, project: Path | None = None) -> None:
    before = tree.everything()
    describe_head(project or tree.folder)
    base_files(project or tree.folder)
    assert tree.everything() == before


# The head ---------------------------------------------------------------------------------------


def test_a_clean_branch_is_called_by_its_name(forked):
    tree, _ = forked
    head = describe_head(tree.folder)
    assert head.sha == tree.git("rev-parse", "HEAD")
    assert (head.dirty, head.label) == (False, "work")
    assert head.how == "the working tree on branch work, without uncommitted changes"


@pytest.mark.parametrize("change", ["unstaged", "staged", "untracked", "deleted"])
def test_any_uncommitted_change_makes_the_head_dirty(forked, change):
    tree, _ = forked
    if change == "untracked":
        tree.write(stray="x")
    elif change == "deleted":
        (tree.folder / "model.py").unlink()
    else:
        tree.write(model="edited\n")
        if change == "staged":
            tree.git("add", "-A")
    head = describe_head(tree.folder)
    assert (head.dirty, head.label) == (True, "working tree")


def test_ignored_files_do_not_make_the_head_dirty(forked):
    tree, _ = forked
    (tree.folder / ".gitignore").write_text("*.pt\n", encoding="utf-8")
    tree.commit()
    (tree.folder / "weights.pt").write_text("1", encoding="utf-8")
    assert describe_head(tree.folder).dirty is False


def test_untracked_files_count_though_the_users_settings_hide_them(forked):
    tree, _ = forked
    tree.git("config", "status.showUntrackedFiles", "no")
    tree.write(stray="x")
    assert describe_head(tree.folder).dirty is True


def test_changes_outside_the_project_do_not_count(forked):
    tree, _ = forked
    project = tree.folder / "sub"
    project.mkdir()
    (project / "kept.py").write_text("1", encoding="utf-8")
    tree.commit()
    tree.write(model="edited\n")
    assert describe_head(project).dirty is False
    assert describe_head(tree.folder).dirty is True


def test_a_detached_head_is_called_by_its_commit(forked):
    tree, _ = forked
    tree.git("checkout", "--quiet", "--detach")
    head = describe_head(tree.folder)
    assert head.label == tree.git("rev-parse", "HEAD")[:12]
    assert "detached" in (head.how or "")


def test_no_git_at_all_is_a_head_without_a_sha(tmp_path):
    head = describe_head(tmp_path)
    assert (head.sha, head.dirty) == (None, False)
    assert "not in a git repository" in (head.how or "")


def test_no_commits_yet_is_a_dirty_head_without_a_sha(new_repository: NewRepository):
    tree = new_repository()
    tree.write(model="1")
    head = describe_head(tree.folder)
    assert (head.sha, head.dirty, head.label) == (None, True, "working tree")


def test_git_missing_is_a_head_without_a_sha(forked, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    head = describe_head(forked[0].folder)
    assert head.sha is None
    assert "git is not installed" in (head.how or "")


# The base ---------------------------------------------------------------------------------------


def test_the_base_is_where_head_left_the_branch(forked):
    tree, left_at = forked
    base = resolve_base(tree.folder, "main")
    assert (base.sha, base.dirty, base.label) == (left_at, False, "main")
    assert base_files(tree.folder) == {"first.py": "1\n", "model.py": "base\n"}


def test_a_base_may_be_a_tag_or_a_commit(forked):
    tree, left_at = forked
    tree.git("tag", "-a", "v1", "-m", "v1", left_at)
    assert resolve_base(tree.folder, "v1").sha == left_at
    assert resolve_base(tree.folder, left_at[:10]).sha == left_at
    assert resolve_base(tree.folder, "HEAD~1").sha == left_at


def test_a_branch_that_only_the_remote_has_will_do(forked, tmp_path):
    tree, left_at = forked
    subprocess.run(
        ["git", "clone", "-q", "-b", "work", tree.folder, tmp_path / "clone"], check=True
    )
    base = resolve_base(tmp_path / "clone", "main")
    assert base.sha == left_at
    assert "origin/main" in (base.how or "")


def refused(project: Path, ref: str = "main") -> tuple[str, str]:
    with pytest.raises(RevisionError) as caught:
        resolve_base(project, ref)
    return caught.value.message, caught.value.hint or ""


def test_an_unknown_ref_is_named(forked):
    message, hint = refused(forked[0].folder, "mian")
    assert "--base mian" in message
    assert "git fetch origin mian" in hint


def test_a_ref_that_looks_like_an_option_is_only_a_ref(forked):
    message, _ = refused(forked[0].folder, "--all")
    assert "--base --all" in message


def test_no_common_ancestor_is_said(forked):
    tree, _ = forked
    tree.git("checkout", "--quiet", "--orphan", "island")
    tree.commit()
    message, _ = refused(tree.folder)
    assert "no common ancestor" in message


def test_no_commits_yet_is_said(new_repository: NewRepository):
    message, hint = refused(new_repository().folder)
    assert "no commits yet" in message
    assert "without --base" in hint


def test_no_repository_is_said(tmp_path):
    message, hint = refused(tmp_path)
    assert "not in a git repository" in message
    assert "without --base" in hint


def test_a_bare_repository_is_said(new_repository: NewRepository):
    message, _ = refused(new_repository("bare", "--bare").folder)
    assert "without a work tree" in message


def test_git_missing_is_said(forked, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    message, _ = refused(forked[0].folder)
    assert "git is not installed" in message


def test_a_shallow_clone_gets_its_own_hint(forked, tmp_path):
    tree, _ = forked
    clone = ["git", "clone", "-q", "--depth=1", "--no-single-branch", "-b", "work"]
    subprocess.run([*clone, tree.folder.as_uri(), tmp_path / "clone"], check=True)
    message, hint = refused(tmp_path / "clone")
    assert "shallow clone" in message
    assert "--unshallow" in hint


# What it leaves alone ---------------------------------------------------------------------------


def test_staged_unstaged_and_untracked_changes_stay(forked):
    tree, _ = forked
    tree.write(added="staged\n")
    tree.git("add", "-A")
    tree.write(added="and edited\n", stray="x")
    assert_base_leaves_alone(tree)


def test_a_detached_head_stays(forked):
    tree, _ = forked
    tree.git("checkout", "--quiet", "--detach")
    assert_base_leaves_alone(tree)


def test_a_merge_in_progress_stays(forked):
    tree, _ = forked
    tree.git("merge", "main", fails=True)
    assert (tree.folder / ".git" / "MERGE_HEAD").exists()
    assert_base_leaves_alone(tree)


def test_a_rebase_in_progress_stays(forked):
    tree, _ = forked
    tree.git("rebase", "main", fails=True)
    assert (tree.folder / ".git" / "rebase-merge").exists()
    assert_base_leaves_alone(tree)


def test_a_linked_worktree_works_and_stays(forked, tmp_path):
    tree, left_at = forked
    tree.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"), "work")
    linked = tmp_path / "linked"
    assert (linked / ".git").is_file()
    assert resolve_base(linked, "main").sha == left_at
    assert base_files(linked)["model.py"] == "base\n"
    assert_base_leaves_alone(tree, linked)


def test_a_split_index_and_sparse_checkout_stay_and_do_not_thin_the_base(forked):
    tree, _ = forked
    tree.git("update-index", "--split-index")
    tree.git("sparse-checkout", "set", "--no-cone", "/added.py")
    tree.git("config", "core.splitIndex", "true")
    assert not (tree.folder / "model.py").exists()
    assert base_files(tree.folder) == {"first.py": "1\n", "model.py": "base\n"}
    assert_base_leaves_alone(tree)


def test_no_hook_runs(forked):
    tree, _ = forked
    for name in ("post-checkout", "post-index-change", "post-merge", "reference-transaction"):
        hook = tree.folder / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\necho ran > {tree.folder}/hook-ran\n", encoding="utf-8")
        hook.chmod(0o755)
    assert_base_leaves_alone(tree)
    tree.git("checkout", "--quiet", "main")
    assert (tree.folder / "hook-ran").exists(), "the hooks of this test do run"


def test_what_git_tells_a_hook_that_runs_us_does_not_leak(forked, new_repository, monkeypatch):
    tree, left_at = forked
    other = new_repository("other")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.folder))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.folder / ".git" / "index"))
    monkeypatch.setenv("GIT_PREFIX", "elsewhere/")
    assert resolve_base(tree.folder, "main").sha == left_at
    assert base_files(tree.folder)["model.py"] == "base\n"
    assert not (other.folder / ".git" / "index").exists()


def test_settings_given_through_the_environment_reach_git(forked, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "/somewhere")
    assert find_repository(forked[0].folder).ask("config", "safe.directory") == "/somewhere"


# Repositories of other kinds --------------------------------------------------------------------


def test_a_project_below_the_top_gets_its_own_folder_of_the_base(forked):
    tree, _ = forked
    project = tree.folder / "sub" / "project"
    project.mkdir(parents=True)
    tree.git("checkout", "--quiet", "main")
    (project / "net.py").write_text("base\n", encoding="utf-8")
    tree.commit()
    tree.git("checkout", "--quiet", "-b", "later")
    (project / "net.py").write_text("head\n", encoding="utf-8")
    tree.commit()
    assert base_files(project) == {"net.py": "base\n"}


def test_a_project_that_is_new_has_an_empty_base(forked):
    tree, _ = forked
    project = tree.folder / "brand" / "new"
    project.mkdir(parents=True)
    assert base_files(project) == {}


def test_a_sha256_repository(new_repository: NewRepository):
    tree = new_repository("long", "--object-format=sha256")
    sha = tree.commit(model="base\n")
    assert len(sha) == 64
    tree.git("checkout", "--quiet", "-b", "work")
    tree.commit(model="head\n")
    assert base_files(tree.folder) == {"model.py": "base\n"}


def test_a_clone_that_borrows_its_objects(forked, tmp_path):
    tree, _ = forked
    clone = tmp_path / "borrower"
    subprocess.run(["git", "clone", "-q", "--shared", "-b", "work", tree.folder, clone], check=True)
    assert (clone / ".git/objects/info/alternates").exists()
    assert base_files(clone)["model.py"] == "base\n"


def test_a_partial_clone_gets_the_files_it_lacks(forked, tmp_path):
    tree, _ = forked
    tree.git("config", "uploadpack.allowFilter", "true")
    tree.git("config", "uploadpack.allowAnySHA1InWant", "true")
    clone = ["git", "clone", "-q", "--filter=blob:none", "-b", "work"]
    subprocess.run([*clone, tree.folder.as_uri(), tmp_path / "partial"], check=True)
    assert base_files(tmp_path / "partial")["model.py"] == "base\n"


def test_a_submodule_is_laid_out_at_the_commit_of_the_base(forked, new_repository):
    tree, _ = forked
    library = new_repository("library")
    library.commit(layer="old\n")
    tree.git("checkout", "--quiet", "main")
    tree.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library.folder))
    tree.commit()
    tree.git("checkout", "--quiet", "-b", "later")
    library.commit(layer="new\n")
    tree.git("-C", "library", "pull", "--quiet")
    tree.commit()
    assert (tree.folder / "library/layer.py").read_text(encoding="utf-8") == "new\n"
    tree.git("config", "submodule.recurse", "true")
    assert base_files(tree.folder)["library/layer.py"] == "old\n"
    assert_base_leaves_alone(tree)
    tree.git("submodule", "--quiet", "deinit", "--force", "--all")
    assert "library/layer.py" not in base_files(tree.folder)


def test_names_with_spaces_and_letters_beyond_ascii(new_repository: NewRepository):
    tree = new_repository("größe und netz")
    tree.commit(**{"mödel one": "base\n"})
    assert base_files(tree.folder) == {"mödel one.py": "base\n"}


def test_the_settings_for_line_ends_are_the_repositorys_own(forked):
    tree, _ = forked
    tree.git("config", "core.autocrlf", "true")
    with checked_out(tree.folder, resolve_base(tree.folder, "main")) as folder:
        assert (folder / "model.py").read_bytes() == b"base\r\n"


def test_a_commit_whose_files_are_lost_is_said(forked):
    tree, left_at = forked
    blob = tree.git("rev-parse", f"{left_at}:model.py")
    (tree.folder / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(RevisionError, match="cannot write the files of commit"):
        base_files(tree.folder)


def test_the_scratch_folder_is_gone_afterwards(forked, temporary_folder):
    tree, _ = forked
    with (
        pytest.raises(KeyboardInterrupt),
        checked_out(tree.folder, resolve_base(tree.folder, "main")) as folder,
    ):
        assert folder.is_relative_to(temporary_folder)
        raise KeyboardInterrupt
    assert [path for path in temporary_folder.rglob("*") if path.is_file()] == []
