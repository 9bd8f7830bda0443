"""Pages and pictures for people: self-contained bytes that open from disk, made from results that others computed."""
