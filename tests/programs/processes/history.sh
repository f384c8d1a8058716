# A small history in git: init, add, commit, branch, merge, log, gc, fsck, clone.
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GIT_AUTHOR_DATE='2020-01-01 00:00:00 +0000' GIT_COMMITTER_DATE='2020-01-01 00:00:00 +0000'
# Threads are another matter.
git() { command git -c pack.threads=1 -c index.threads=1 -c core.preloadIndex=false -c init.defaultBranch=main "$@"; }
git init -q repository && cd repository || exit
for i in 1 2; do
  echo "line $i" >>file
  git add file
  git commit -q -m "commit $i"
done
git checkout -q -b side HEAD~1
echo side >other
git add other
git commit -qm side
git merge -q -m merge main
git log --graph --oneline
git gc -q
git fsck --strict
git count-objects -v | grep -v size
git diff HEAD~1 --stat
git status -s
