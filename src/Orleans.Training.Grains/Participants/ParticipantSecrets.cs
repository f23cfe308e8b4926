using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Participants;

/// <summary>
/// Bytes that only one participant can compute, the same for the same context: salts and rounding keys that a restart must not change. Ed25519 signatures
/// are deterministic (RFC 8032 §5.1.6) and unforgeable, so the digest of one by a key that signs nothing else is a pseudo-random function.
/// </summary>
public static class ParticipantSecrets
{
    /// <summary>The name of the key in a participant's folder.</summary>
    public const string KeyName = "derivation";

    /// <summary>Thirty-two bytes for a context.</summary>
    public static async ValueTask<byte[]> Derive(ISigner derivation, string context, CancellationToken cancellationToken)
    {
        var signature = await derivation.Sign(System.Text.Encoding.UTF8.GetBytes("FLv1-derive\0" + context), cancellationToken);
        return Digest.Of(signature).ToArray();
    }

    /// <summary>The context of a data set's salts.</summary>
    public static string DatasetContext(string dataset) => $"dataset/{dataset}";

    /// <summary>The context of what seals the journal of a masked attempt.</summary>
    public static string MaskingContext(Digest agreement, int round, int attempt) => $"masks/{agreement}/{round}/{attempt}";

    /// <summary>The context of the noise of one update.</summary>
    public static string NoiseContext(Digest agreement, int round, int attempt) => $"noise/{agreement}/{round}/{attempt}";

    /// <summary>The context of who is in which batch, and of the noise on single rows' gradients.</summary>
    public static string RecordsContext(Digest agreement, int round, int attempt) => $"records/{agreement}/{round}/{attempt}";

    /// <summary>The context of the rounding of one update.</summary>
    public static string RoundingContext(Digest agreement, int round, int attempt) => $"rounding/{agreement}/{round}/{attempt}";
}
