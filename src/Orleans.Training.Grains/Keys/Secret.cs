using System.Security.Cryptography;

namespace Orleans.Training.Grains.Keys;

/// <summary>A passphrase or PIN in memory: pinned, so that the collector leaves no copies behind, and zeroed by <see cref="Dispose"/>. Text never shows it.</summary>
public sealed class Secret : IDisposable
{
    private readonly byte[] _bytes;

    internal Secret(ReadOnlySpan<byte> bytes)
    {
        _bytes = GC.AllocateUninitializedArray<byte>(bytes.Length, pinned: true);
        bytes.CopyTo(_bytes);
    }

    internal ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>The pinned bytes themselves, for libraries that take nothing else: not a copy, and not to be kept.</summary>
    internal byte[] Pinned => _bytes;

    /// <inheritdoc/>
    public override string ToString() => "(secret)";

    /// <inheritdoc/>
    public void Dispose() => CryptographicOperations.ZeroMemory(_bytes);
}
