namespace Orleans.Training.Client.Exports;

/// <summary>What is wrong with an export; shown as <c>OT-nnnn</c> (docs/spec/errors.md). Numbers never change.</summary>
public enum ExportFault
{
    /// <summary>A file that every export has is missing.</summary>
    MissingFile = 3101,
    /// <summary>A file that no export has.</summary>
    UnexpectedFile = 3102,
    /// <summary>A file is larger than its kind may be.</summary>
    TooLarge = 3103,
    /// <summary>A file does not parse.</summary>
    Malformed = 3104,
    /// <summary>A block does not follow from its parent: an inadmissible transaction or signature, or a hash that differs from its execution.</summary>
    BlockDoesNotExecute = 3110,
    /// <summary>A finalization is not one: too few signatures, or a bad one.</summary>
    BadFinalization = 3111,
    /// <summary>The newest block is not final.</summary>
    NotFinal = 3112,
    /// <summary>The trust policy does not accept the checkpoint.</summary>
    CheckpointNotTrusted = 3120,
    /// <summary>The checkpoint is about another tree than the blocks make.</summary>
    CheckpointDiffers = 3121,
    /// <summary>A receipt does not verify under the trust policy.</summary>
    BadReceipt = 3122,
    /// <summary>A receipt proves another leaf than the blocks have at its index.</summary>
    ReceiptDiffers = 3123,
    /// <summary>A blob is not the content that its name says.</summary>
    BadBlob = 3130,
    /// <summary>A blob that a published round needs is missing.</summary>
    MissingBlob = 3131,
    /// <summary>The initial model is not the one that follows from the agreement's specification and seed.</summary>
    InitialModelDiffers = 3140,
    /// <summary>Adding the committed updates gives another sum or model than the ledger published.</summary>
    ModelDiffers = 3141,
    /// <summary>More validators than may lie attested a published sum that they did not have.</summary>
    WorkNotDone = 3142,
    /// <summary>The model file is not the published model.</summary>
    ModelFileDiffers = 3143,
    /// <summary>A validator's statement does not say what the export shows, or is not signed by its key.</summary>
    BadStatement = 3144,
}

/// <summary>The first fault that was found, and in which file.</summary>
public sealed class ExportException(ExportFault fault, string file, string detail, Exception? inner = null) : Exception($"OT-{(int)fault} {file}: {detail}", inner)
{
    /// <summary>The number.</summary>
    public ExportFault Fault { get; } = fault;

    /// <summary>The file, relative to the folder.</summary>
    public string File { get; } = file;
}
