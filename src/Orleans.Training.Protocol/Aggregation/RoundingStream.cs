using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>Fractions k·2⁻³² in [0, 1) from AES-256 in counter mode: block c is AES(LE64(c) ‖ LE64(0)), and each gives four little-endian numbers k.</summary>
internal sealed class RoundingStream : IDisposable
{
    private const int BlockBytes = 16;
    private const int Blocks = 256;

    private readonly Aes _aes = Aes.Create();
    private readonly byte[] _counters = new byte[Blocks * BlockBytes];
    private readonly byte[] _stream = new byte[Blocks * BlockBytes];
    private ulong _block;
    private int _position;

    public RoundingStream(ReadOnlySpan<byte> key)
    {
        if (key.Length != 32) throw new ArgumentException($"A rounding key has 32 bytes, not {key.Length}.", nameof(key));
        _aes.SetKey(key);
        _position = _stream.Length;
    }

    public double Next()
    {
        if (_position == _stream.Length) Fill();
        var number = BinaryPrimitives.ReadUInt32LittleEndian(_stream.AsSpan(_position));
        _position += sizeof(uint);
        return number * (1.0 / (1L << 32));
    }

    /// <summary>The next eight bytes of the stream as one little-endian number.</summary>
    public ulong NextWord()
    {
        if (_position > _stream.Length - sizeof(ulong)) Fill();
        var word = BinaryPrimitives.ReadUInt64LittleEndian(_stream.AsSpan(_position));
        _position += sizeof(ulong);
        return word;
    }

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_stream);
        _aes.Dispose();
    }

    private void Fill()
    {
        for (var i = 0; i < Blocks; i++) BinaryPrimitives.WriteUInt64LittleEndian(_counters.AsSpan(i * BlockBytes), _block++);
        _aes.EncryptEcb(_counters, _stream, PaddingMode.None);
        _position = 0;
    }
}
