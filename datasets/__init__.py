"""From files to records: readers, atoms, walls, patches, synthetic data with known truth."""

from physlearn.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "FindAtomsOptions": ".column_options",
        "TrackWallsOptions": ".track_walls",
        "WallVideoOptions": ".synthetic_walls",
        "StemSettings": ".synthetic_stem",
        "assign_sites": ".sites",
        "classify_species": ".species",
        "domain_fraction": ".normalize_frames",
        "describe_patches": ".patches",
        "configuration_from_ase": ".read_structures",
        "find_atoms": ".find_atoms",
        "make_stem_image": ".synthetic_stem",
        "make_wall_video": ".synthetic_walls",
        "measure_wall_advance": ".wall_advance",
        "normalize_frames": ".normalize_frames",
        "read_coordinates": ".read_coordinates",
        "read_image": ".read_images",
        "read_structures": ".read_structures",
        "read_video": ".read_video",
        "track_walls": ".track_walls",
    },
)
