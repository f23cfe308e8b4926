using System.Buffers.Binary;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Trainer;

namespace Orleans.Training.Cli.Demo;

/// <summary>Ten organisations with a thousand images each, and McMahan's perceptron.</summary>
internal sealed class MnistPlan(int rounds = 10, int localEpochs = 1) : DemoPlan
{
    private const int Organisations = 10;
    private static readonly string Source = Path.Combine(DataFolder, "mnist");

    public override string Name => "mnist";

    public override string Title => "MNIST (10,000 + 2,000 images), 10 organisations, 784-200-200-10 perceptron";

    public override IReadOnlyList<ParticipantId> Participants { get; } = [.. Enumerable.Range(0, Organisations).Select(i => ParticipantId.Parse($"org-{i}"))];

    public override ModelSpec Spec => ModelSpec.McMahanPerceptron();

    protected override int UsualRounds => rounds;

    protected override TrainingTerms Terms => new(100_000, 10, localEpochs);

    public override double NoisyClip => 1;

    public override double Clip => 20;

    public override double Bound => 1;

    public override void WriteData(string root)
    {
        var images = IdxArray.Load(Path.Combine(Source, "train-images-idx3-ubyte.gz"), 3);
        var labels = IdxArray.Load(Path.Combine(Source, "train-labels-idx1-ubyte.gz"), 1);
        var order = Asked.IsSkewed ? ByDigits(labels) : new SeededRandom(Seed).Permutation(images.Count);
        for (var i = 0; i < Organisations; i++)
        {
            LocalDataset.Write(root, Participants[i], [new LocalDataset(Name, "idx", "images-idx3-ubyte", "labels-idx1-ubyte")]);
            var folder = Path.GetDirectoryName(LocalDataset.ListOf(root, Participants[i]))!;
            var own = order.AsSpan(images.Count * i / Organisations, images.Count * (i + 1) / Organisations - images.Count * i / Organisations);
            File.WriteAllBytes(Path.Combine(folder, "images-idx3-ubyte"), Idx(images, own, [28, 28]));
            File.WriteAllBytes(Path.Combine(folder, "labels-idx1-ubyte"), Idx(labels, own, []));
        }
    }

    // McMahan's division: sorted by digit, cut into two pieces for each organisation, and pieces dealt at random.
    private static int[] ByDigits(IdxArray labels)
    {
        var random = new SeededRandom(Seed);
        int[] sorted = [.. random.Permutation(labels.Count).OrderBy(image => labels.Bytes.Span[image])];
        return [.. random.Permutation(2 * Organisations).SelectMany(piece => sorted[(sorted.Length * piece / (2 * Organisations))..(sorted.Length * (piece + 1) / (2 * Organisations))])];
    }

    public override LabelledData TestRows(string root) => Mnist.Load(Source).Test;

    // The IDX format: 0, 0, 8 (unsigned bytes), number of dimensions, each dimension big-endian, then the bytes.
    private static byte[] Idx(IdxArray source, ReadOnlySpan<int> items, ReadOnlySpan<int> sides)
    {
        var head = 4 * (2 + sides.Length);
        var bytes = new byte[head + items.Length * source.ItemLength];
        (bytes[2], bytes[3]) = (8, (byte)(1 + sides.Length));
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(4), items.Length);
        for (var i = 0; i < sides.Length; i++) BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(8 + 4 * i), sides[i]);
        for (var i = 0; i < items.Length; i++) source.Bytes.Span.Slice(items[i] * source.ItemLength, source.ItemLength).CopyTo(bytes.AsSpan(head + i * source.ItemLength));
        return bytes;
    }
}
