"""Learn and act: populations of policies on pools of environments. No orchestration, no files, no network."""
