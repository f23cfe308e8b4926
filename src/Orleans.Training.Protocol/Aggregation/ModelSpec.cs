using System.Diagnostics.CodeAnalysis;
using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// What is trained, declared and not programmed: input shape, layers, loss (docs/spec/model.md). Every instance obeys the limits, so that
/// its parameters can be counted, named and laid out by anyone.
/// </summary>
public sealed class ModelSpec : IEquatable<ModelSpec>
{
    /// <summary>Bytes of an encoded spec.</summary>
    public const int EncodedLimit = 1024;
    /// <summary>Layers of one model.</summary>
    public const int LayerLimit = 32;
    /// <summary>Features or channels, height or width, of one input or layer.</summary>
    public const int DimensionLimit = 65_536;
    /// <summary>Side of a kernel or of a pooled square.</summary>
    public const int SizeLimit = 31;
    /// <summary>Values of one input, and of one layer's output for one input.</summary>
    public const int ActivationLimit = 1 << 22;

    private ModelSpec(int[] inputShape, ModelLayer[] layers, ModelLoss loss, ModelLayout layout)
    {
        InputShape = inputShape;
        Layers = layers;
        Loss = loss;
        Parameters = layout.Parameters;
        ParameterCount = layout.ParameterCount;
        InputLength = layout.InputLength;
        Encoded = Wire.Encode(Write);
        Digest = Digest.Of(Encoded.Span);
    }

    /// <summary>[features] or [channels, height, width].</summary>
    public IReadOnlyList<int> InputShape { get; }

    /// <summary>The layers, first to last; the last is linear.</summary>
    public IReadOnlyList<ModelLayer> Layers { get; }

    /// <summary>What is minimised.</summary>
    public ModelLoss Loss { get; }

    /// <summary>Outputs of the last layer.</summary>
    public int Outputs => Layers[^1].Outputs;

    /// <summary>Values of one input.</summary>
    public int InputLength { get; }

    /// <summary>The parameter tensors in the order of the flat vector: layer by layer, weight before bias.</summary>
    public IReadOnlyList<ParameterTensor> Parameters { get; }

    /// <summary>Length of the flat vector.</summary>
    public int ParameterCount { get; }

    /// <summary>The one encoding.</summary>
    public ReadOnlyMemory<byte> Encoded { get; }

    /// <summary>SHA-256 of <see cref="Encoded"/>.</summary>
    public Digest Digest { get; }

    /// <summary>Logistic regression: one linear layer with one output.</summary>
    public static ModelSpec Logistic(int features) => Create([features], [ModelLayer.Linear(1)], ModelLoss.BinaryCrossEntropy);

    /// <summary>Multinomial logistic regression: one linear layer under a softmax.</summary>
    public static ModelSpec Softmax(int features, int classes) => Create([features], [ModelLayer.Linear(classes)], ModelLoss.CrossEntropy);

    /// <summary>Linear layers with rectifiers between them. One output is read through a sigmoid, several through a softmax.</summary>
    public static ModelSpec Perceptron(int features, ReadOnlySpan<int> hidden, int outputs)
    {
        var layers = new List<ModelLayer>();
        foreach (var width in hidden) layers.Add(ModelLayer.Linear(width));
        layers.Add(ModelLayer.Linear(outputs));
        return Create([features], [.. layers], outputs == 1 ? ModelLoss.BinaryCrossEntropy : ModelLoss.CrossEntropy);
    }

    /// <summary>The 2NN of McMahan et al. 2017: 784-200-200-10, 199,210 parameters.</summary>
    public static ModelSpec McMahanPerceptron() => Perceptron(28 * 28, [200, 200], 10);

    /// <summary>The CNN of McMahan et al. 2017 for 28 × 28 images: 1,663,370 parameters.</summary>
    public static ModelSpec McMahanConvolutional() => Create(
        [1, 28, 28],
        [ModelLayer.Convolution(32, 5, 2), ModelLayer.MaxPool(2), ModelLayer.Convolution(64, 5, 2), ModelLayer.MaxPool(2), ModelLayer.Linear(512), ModelLayer.Linear(10)],
        ModelLoss.CrossEntropy);

    /// <summary>LeNet-5 for 28 × 28 images, with rectifiers and max pooling: 61,706 parameters.</summary>
    public static ModelSpec LeNet() => Create(
        [1, 28, 28],
        [ModelLayer.Convolution(6, 5, 2), ModelLayer.MaxPool(2), ModelLayer.Convolution(16, 5), ModelLayer.MaxPool(2), ModelLayer.Linear(120), ModelLayer.Linear(84), ModelLayer.Linear(10)],
        ModelLoss.CrossEntropy);

    /// <summary>The spec with these parts.</summary>
    /// <exception cref="ArgumentException">The parts break a rule of docs/spec/model.md.</exception>
    public static ModelSpec Create(ReadOnlySpan<int> inputShape, ReadOnlySpan<ModelLayer> layers, ModelLoss loss) =>
        TryCreate(inputShape, layers, loss, out var spec) ? spec : throw new ArgumentException("The parts break a rule of docs/spec/model.md.", nameof(layers));

    /// <summary>The spec with these parts; false if they break a rule of docs/spec/model.md.</summary>
    public static bool TryCreate(ReadOnlySpan<int> inputShape, ReadOnlySpan<ModelLayer> layers, ModelLoss loss, [NotNullWhen(true)] out ModelSpec? spec)
    {
        spec = null;
        if (loss is not (ModelLoss.BinaryCrossEntropy or ModelLoss.CrossEntropy)) return false;
        if (ModelLayout.TryCreate(inputShape, layers) is not { } layout) return false;
        if (loss is ModelLoss.BinaryCrossEntropy != (layers[^1].Outputs == 1)) return false;
        spec = new ModelSpec(inputShape.ToArray(), layers.ToArray(), loss, layout);
        return true;
    }

    /// <summary>Decodes exactly one spec; false for bytes that are no canonical encoding of a spec within the limits.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> encoded, [NotNullWhen(true)] out ModelSpec? spec) =>
        Wire.TryDecode(encoded, EncodedLimit, Read, out spec!) && spec is not null;

    /// <summary>Reads a spec out of an enclosing structure; only inside <see cref="Wire.TryDecode"/>.</summary>
    public static ModelSpec Read(CborReader reader)
    {
        reader.ReadArrayHead(4);
        reader.ReadVersion(1);
        var shape = reader.ReadArray(3, item => item.ReadNumber(DimensionLimit));
        var layers = reader.ReadArray(LayerLimit, ReadLayer);
        var loss = (ModelLoss)reader.ReadNumber((int)ModelLoss.CrossEntropy);
        reader.ReadEndArray();
        var valid = TryCreate(shape, layers, loss, out var spec);
        Wire.Require(valid);
        return spec!;
    }

    /// <summary>Writes the spec into an enclosing structure.</summary>
    public void Write(CborWriter writer)
    {
        writer.WriteStartArray(4);
        writer.WriteUInt32(1);
        writer.WriteStartArray(InputShape.Count);
        foreach (var length in InputShape) writer.WriteInt32(length);
        writer.WriteEndArray();
        writer.WriteStartArray(Layers.Count);
        foreach (var layer in Layers) WriteLayer(writer, layer);
        writer.WriteEndArray();
        writer.WriteInt32((int)Loss);
        writer.WriteEndArray();
    }

    /// <inheritdoc/>
    public bool Equals(ModelSpec? other) => other is not null && Digest == other.Digest;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as ModelSpec);

    /// <inheritdoc/>
    public override int GetHashCode() => Digest.GetHashCode();

    private static void WriteLayer(CborWriter writer, ModelLayer layer)
    {
        writer.WriteStartArray(4);
        writer.WriteInt32((int)layer.Kind);
        writer.WriteInt32(layer.Outputs);
        writer.WriteInt32(layer.Size);
        writer.WriteInt32(layer.Padding);
        writer.WriteEndArray();
    }

    private static ModelLayer ReadLayer(CborReader reader)
    {
        reader.ReadArrayHead(4);
        var layer = new ModelLayer(
            (LayerKind)reader.ReadNumber((int)LayerKind.MaxPool), reader.ReadNumber(DimensionLimit), reader.ReadNumber(SizeLimit), reader.ReadNumber(SizeLimit));
        reader.ReadEndArray();
        return layer;
    }
}
