using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Trainer;

/// <summary>Images and labels in MNIST's files: bytes become features from 0 to 1.</summary>
public static class Mnist
{
    /// <summary>Reads the four files of a folder: <c>train-</c> and <c>t10k-</c>, images and labels, packed with gzip.</summary>
    /// <exception cref="TrainerException">A file is missing or is not what it should be.</exception>
    public static (LabelledData Train, LabelledData Test) Load(string folder) => (Load(folder, "train"), Load(folder, "t10k"));

    /// <summary>Joins images with their labels, which are below 256.</summary>
    /// <exception cref="TrainerException">Their numbers differ.</exception>
    public static LabelledData Join(IdxArray images, IdxArray labels)
    {
        if (images.Count != labels.Count) throw new TrainerException(TrainerFault.ImagesAndLabelsDiffer, $"{images.Count} images with {labels.Count} labels");
        if (images.Count == 0 || images.ItemLength == 0) throw new TrainerException(TrainerFault.NoRows, "no image");
        var features = new float[images.Bytes.Length];
        var pixels = images.Bytes.Span;
        for (var i = 0; i < features.Length; i++) features[i] = pixels[i] / 255f;
        var numbers = new int[labels.Count];
        var records = new byte[labels.Count][];
        for (var i = 0; i < numbers.Length; i++)
        {
            numbers[i] = labels.Bytes.Span[i];
            records[i] = CanonicalRecord.OfImage(numbers[i], pixels.Slice(i * images.ItemLength, images.ItemLength));
        }

        return new LabelledData(features, images.ItemLength, numbers, records);
    }

    private static LabelledData Load(string folder, string part) => Join(
        IdxArray.Load(Path.Combine(folder, $"{part}-images-idx3-ubyte.gz"), 3), IdxArray.Load(Path.Combine(folder, $"{part}-labels-idx1-ubyte.gz"), 1));
}
