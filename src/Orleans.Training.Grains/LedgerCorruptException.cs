namespace Orleans.Training.Grains;

/// <summary>Stored bytes are not what was stored. Nothing was changed; the message names the place.</summary>
[GenerateSerializer, Alias("Orleans.Training.LedgerCorruptException")]
public sealed class LedgerCorruptException(string code, string message, Exception? inner = null) : OperationalException(code, message, inner);
