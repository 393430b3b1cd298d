/**
 * @file How much a file or an answer from outside may ask for, in one place.
 *
 * Readers compare with these bounds before they allocate, so what a few bytes announce costs a few bytes. Every bound is well above
 * what honest files need and well below what a machine has.
 */
const MIB = 2 ** 20;

/** The bounds; all sizes are in bytes. */
export const LIMITS = {
  /** Axes of a stored matrix; NumPy's bound. */
  axes: 64,
  /** A variable's name in a MAT-file; MATLAB's own bound is 63 letters. */
  matName: 1024,
  /** All matrices of one MAT-file together; SVHN's largest official file holds 1.6 GB. */
  matMatrices: 4096 * MIB,
  /** An idx file's array; MNIST's largest has 47 MB. */
  idxArray: 2048 * MIB,
  /** What an archive holds beside the wanted files: notes, scripts, tar's own blocks. */
  archiveSlack: 256 * MIB,
  /** A list of labels as JSON, for each label: digits, a comma, white space. */
  labelText: 16,
  /** Pixels of an image, after Pillow's bound; the largest photographs of ImageNet have a third of that. */
  imagePixels: 89_478_485,
  /** A file with one image. */
  imageFile: 128 * MIB,
  /** Pixels of one split that is not streamed: they lie in memory while a run lasts, and in a device's, of which a WebAssembly has 4 GiB. */
  residentSplit: 2048 * MIB,
  /** Images of one split; the labels and names of all of them are in memory. */
  images: 2 ** 26,
  /** Classes; a model's last layer has a row for each. */
  classes: 2 ** 20,
  /** A .npy file's header. */
  npyHeader: MIB,
  /** A Parquet file's metadata: some hundred bytes for each column of each group of rows. */
  parquetFooter: 64 * MIB,
  /** The header of a page of a Parquet file. */
  parquetHeader: MIB,
  /** A page of a Parquet file, which is in memory while one of its images is taken out. */
  parquetPage: 256 * MIB,
  /** A tar archive's long name, or one of its extended headers. */
  tarHeader: MIB,
  /** One of npm's settings files. */
  npmrc: MIB,
  /** A file of certificates; a system's whole list has 0.3 MB. */
  certificates: 16 * MIB,
} as const;
