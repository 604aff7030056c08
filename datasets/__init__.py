"""From files to records: readers, atoms, walls, patches, synthetic data with known truth."""

from physlearn.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "FindAtomsOptions": ".columns.column_options",
        "TrackWallsOptions": ".walls.track_walls",
        "WallVideoOptions": ".synthetic.synthetic_walls",
        "StemSettings": ".synthetic.synthetic_stem",
        "AtomScene": ".synthetic.imaging",
        "ImagingSettings": ".synthetic.imaging",
        "assign_sites": ".sites.assign_sites",
        "classify_species": ".sites.species",
        "domain_fraction": ".walls.normalize_frames",
        "describe_patches": ".patches.describe_patches",
        "configuration_from_ase": ".reading.read_structures",
        "find_atoms": ".columns.find_atoms",
        "image_columns": ".synthetic.imaging",
        "make_stem_image": ".synthetic.synthetic_stem",
        "make_wall_video": ".synthetic.synthetic_walls",
        "measure_wall_advance": ".walls.wall_advance",
        "normalize_frames": ".walls.normalize_frames",
        "read_coordinates": ".reading.read_coordinates",
        "read_image": ".reading.read_images",
        "read_structures": ".reading.read_structures",
        "read_video": ".reading.read_video",
        "track_walls": ".walls.track_walls",
    },
)
