"""What runs on the manager, once for each push that a git server tells of: the story of a deploy, told from there."""
