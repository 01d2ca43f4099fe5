"""The figures of `cabal-backup report`, from what `status` has seen."""
