namespace Orleans.Training.Protocol.Aggregation;

/// <summary>What a layer computes; the number is the layer's first item in the encoding.</summary>
public enum LayerKind
{
    /// <summary>y = W·x + b.</summary>
    Linear = 0,
    /// <summary>Square two-dimensional convolution with stride 1 and zero padding.</summary>
    Convolution = 1,
    /// <summary>The largest value of every square of <see cref="ModelLayer.Size"/>, with a stride of the same length; a rest at the edge is left out.</summary>
    MaxPool = 2,
}

/// <summary>What is minimised, and how outputs are read; the number stands in the encoding.</summary>
public enum ModelLoss
{
    /// <summary>One output through a sigmoid; mean binary cross-entropy; labels 0 and 1.</summary>
    BinaryCrossEntropy = 0,
    /// <summary>A softmax over at least two outputs; mean cross-entropy; labels 0 to outputs − 1.</summary>
    CrossEntropy = 1,
}

/// <summary>One layer of a <see cref="ModelSpec"/>; use the factory methods. A rectifier follows every convolution and every linear layer but the last.</summary>
/// <param name="Kind">What it computes.</param>
/// <param name="Outputs">Output features or channels; 0 for pooling.</param>
/// <param name="Size">Side of the kernel or of the pooled square; 0 for linear layers.</param>
/// <param name="Padding">Zeros added at every edge of a convolution's input; else 0.</param>
public readonly record struct ModelLayer(LayerKind Kind, int Outputs, int Size, int Padding)
{
    /// <summary>A linear layer; the first one flattens what it is given in channel, row, column order.</summary>
    public static ModelLayer Linear(int outputs) => new(LayerKind.Linear, outputs, 0, 0);

    /// <summary>A convolution.</summary>
    public static ModelLayer Convolution(int outputs, int size, int padding = 0) => new(LayerKind.Convolution, outputs, size, padding);

    /// <summary>Max pooling.</summary>
    public static ModelLayer MaxPool(int size) => new(LayerKind.MaxPool, 0, size, 0);
}

/// <summary>One tensor of a model's parameters, and where it lies in the flat vector.</summary>
/// <param name="Name">As PyTorch names it: <c>conv1.weight</c>, <c>fc2.bias</c>.</param>
/// <param name="Shape">As PyTorch shapes it: [out, in], [out, in, height, width] or [out]; row-major.</param>
/// <param name="Offset">Index of its first value in the flat vector.</param>
/// <param name="Length">Number of values.</param>
/// <param name="FanIn">Inputs of one output of its layer.</param>
public sealed record ParameterTensor(string Name, IReadOnlyList<int> Shape, int Offset, int Length, int FanIn);
