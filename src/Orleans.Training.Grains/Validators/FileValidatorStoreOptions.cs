namespace Orleans.Training.Grains.Validators;

/// <summary>Where a validator keeps its journal in files.</summary>
public sealed class FileValidatorStoreOptions
{
    /// <summary>The folder of this validator alone.</summary>
    public required string Folder { get; init; }

    /// <summary>The validator's name; a journal opens only under the name that it was created with.</summary>
    public required string Validator { get; init; }

    /// <summary>A segment that has reached this many bytes is followed by a new one. Default 64 MiB; from 1 to 1 GiB.</summary>
    public int SegmentBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>Stands between the writer and the disk; the tests put failing disks here.</summary>
    internal Func<WriteFrame, WriteFrame> Disk { get; init; } = static write => write;
}
