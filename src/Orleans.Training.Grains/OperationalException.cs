namespace Orleans.Training.Grains;

/// <summary>
/// The world around the ledger does not permit what was asked: a locked folder, a full disk, a missing label. The message begins with the
/// number under which docs/spec/errors.md says what to do.
/// </summary>
[GenerateSerializer, Alias("Orleans.Training.OperationalException")]
public class OperationalException : Exception
{
    public OperationalException(string code, string message, Exception? inner = null)
        : base($"{code} {message}", inner) => Code = code;

    /// <summary><c>OT-nnnn</c>.</summary>
    [Id(0)]
    public string Code { get; }
}
