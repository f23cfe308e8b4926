namespace Orleans.Training.Trainer;

/// <summary>What is wrong with data, a model file or the trainer itself; shown as <c>OT-nnnn</c> (docs/spec/data.md §4). Numbers never change.</summary>
public enum TrainerFault
{
    /// <summary>The file does not exist or cannot be read.</summary>
    Unreadable = 5001,
    /// <summary>Larger than a file of its kind may be, or more rows, columns or characters.</summary>
    TooLarge = 5002,
    /// <summary>The gzip stream is damaged or cut short.</summary>
    BadGzip = 5003,
    /// <summary>The text is not UTF-8.</summary>
    BadText = 5004,
    /// <summary>A quote that is not closed, or stands where none may.</summary>
    BadQuote = 5005,
    /// <summary>A row has another number of fields than the header.</summary>
    RaggedRow = 5006,
    /// <summary>A column is missing, or named twice.</summary>
    BadColumn = 5007,
    /// <summary>A field is not a number of the form and range that is needed.</summary>
    BadNumber = 5008,
    /// <summary>Not an IDX file of unsigned bytes with the dimensions that are needed.</summary>
    BadIdx = 5020,
    /// <summary>Images and labels do not belong together.</summary>
    ImagesAndLabelsDiffer = 5021,
    /// <summary>The data do not fit the model: number of features, or a label beyond its outputs.</summary>
    DataDoNotFitModel = 5030,
    /// <summary>There are no rows to train on.</summary>
    NoRows = 5031,
    /// <summary>A setting of the trainer is out of range.</summary>
    BadSetting = 5032,
    /// <summary>Not a safetensors file of float32 tensors.</summary>
    BadSafetensors = 5040,
    /// <summary>The file's tensors are not those of the model.</summary>
    TensorsDoNotFitModel = 5041,
    /// <summary>Built without a training backend (<c>TorchBackend=none</c>), or its native library does not load.</summary>
    NoBackend = 5090,
    /// <summary>The loss or a parameter is no longer finite.</summary>
    Diverged = 5091,
    /// <summary>The pool's queue is full; try again later.</summary>
    QueueFull = 5092,
    /// <summary>The training backend reported an error, out of memory for example.</summary>
    BackendFailed = 5093,
    /// <summary>The device is not there: built without CUDA, no driver, or no GPU.</summary>
    NoDevice = 5094,
    /// <summary>Training would cost single rows more than their owner allows, or what they have lost cannot be read.</summary>
    RecordBudgetExceeded = 5095,
}

/// <summary>Data, a model file or a setting that the trainer cannot use; the message begins with the number.</summary>
public sealed class TrainerException(TrainerFault fault, string detail, Exception? inner = null) : Exception($"OT-{(int)fault} {detail}", inner)
{
    /// <summary>The number.</summary>
    public TrainerFault Fault { get; } = fault;
}
