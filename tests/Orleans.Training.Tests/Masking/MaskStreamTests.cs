using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Masking;

public sealed class MaskStreamTests
{
    private static readonly LaneWidth[] Widths = Enum.GetValues<LaneWidth>();

    // The instructions of another processor are put together from a table: slow, and what FIPS 197 says.
    private static IEnumerable<(string Name, MaskStream Stream)> Streams(byte[] key)
    {
        yield return ("this machine", MaskStream.Create(key));
        yield return ("portable", new PortableMaskStream(key));
        yield return ("ARM64, emulated", new InstructionMaskStream<ArmAesRounds<EmulatedArmAes>>(key));
        if (X86AesRounds.IsSupported) yield return ("x86", new InstructionMaskStream<X86AesRounds>(key));
        if (ArmAesInstructions.IsSupported) yield return ("ARM64", new InstructionMaskStream<ArmAesRounds<ArmAesInstructions>>(key));
    }

    [Fact]
    public void KeySchedule_IsThatOfFips197()
    {
        // FIPS 197 (2001) appendix A.3: the first words, one of each branch, and the last four.
        var key = Convert.FromHexString("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        var keys = new Vector128<byte>[15];
        foreach (var expand in Schedules())
        {
            expand(key, keys);
            var bytes = MemoryMarshal.AsBytes(keys.AsSpan()).ToArray();
            Assert.Equal(key, bytes[..32]);
            Assert.Equal("9ba35411", Convert.ToHexStringLower(bytes[32..36]));
            Assert.Equal("a8b09c1a", Convert.ToHexStringLower(bytes[48..52]));
            Assert.Equal("fe4890d1e6188d0b046df344706c631e", Convert.ToHexStringLower(bytes[^16..]));
        }
    }

    private static IEnumerable<Action<byte[], Vector128<byte>[]>> Schedules()
    {
        yield return (key, keys) => AesKeySchedule<ArmAesRounds<EmulatedArmAes>>.Expand(key, keys);
        if (X86AesRounds.IsSupported) yield return (key, keys) => AesKeySchedule<X86AesRounds>.Expand(key, keys);
    }

    [Theory]
    [InlineData("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "00112233445566778899aabbccddeeff", "8ea2b7ca516745bfeafc49904b496089")]
    [InlineData("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "6bc1bee22e409f96e93d7e117393172a", "f3eed1bdb5d2a03c064b5a7e3db181f8")]
    [InlineData("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "ae2d8a571e03ac9c9eb76fac45af8e51", "591ccb10d410ed26dc5ba74a31362870")]
    [InlineData("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "30c81c46a35ce411e5fbc1191a0a52ef", "b6ed21b99ca6f4f9f153e7b1beafed1d")]
    [InlineData("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "f69f2445df4f9b17ad2b417be66c3710", "23304b7a39f9f3ff067d8d8f9e24ecc7")]
    public void Block_IsThatOfFips197AndSp80038a(string key, string plain, string cipher)
    {
        // FIPS 197 (2001) appendix C.3; SP 800-38A appendix F.1.5.
        var block = Vector128.Create(Convert.FromHexString(plain));
        var keys = new Vector128<byte>[15];
        AesKeySchedule<ArmAesRounds<EmulatedArmAes>>.Expand(Convert.FromHexString(key), keys);
        Assert.Equal(cipher, Hex(MaskKernel<ArmAesRounds<EmulatedArmAes>>.Encrypt(ref keys[0], block)));
        if (X86AesRounds.IsSupported) Assert.Equal(cipher, Hex(MaskKernel<X86AesRounds>.Encrypt(ref keys[0], block)));
    }

    [Fact]
    public void Stream_IsTheCounterModeOfThePage()
    {
        var key = Enumerable.Range(0, 32).Select(i => (byte)i).ToArray();
        foreach (var (name, stream) in Streams(key))
        {
            var bytes = new byte[48];
            stream.Add(bytes, LaneWidth.Bits8, 0x0102030405060708);
            using var aes = Aes.Create();
            aes.SetKey(key);
            byte[] counters = [8, 7, 6, 5, 4, 3, 2, 1, .. new byte[8], 9, 7, 6, 5, 4, 3, 2, 1, .. new byte[8], 10, 7, 6, 5, 4, 3, 2, 1, .. new byte[8]];
            Assert.True(aes.EncryptEcb(counters, PaddingMode.None).AsSpan().SequenceEqual(bytes), name);
        }

        // The vector of docs/spec/fedmask.md §13.
        var vector = new byte[32];
        MaskStream.Create(key).Add(vector, LaneWidth.Bits8, 4095);
        Assert.Equal("06f4af8c798e7b8bc64b36be1fe927dc15aa0a393a8a6099a58759e05e5ea4bd", Convert.ToHexStringLower(vector));
    }

    [Fact]
    public void EveryPath_AddsAndSubtractsAlike_AtAnyPlace() => Gen.Select(Gen.Byte.Array[32], Gen.Int[0, 40], Gen.Long[0, 1L << 40], Gen.Int[0, 3], Gen.Int).Sample((key, blocks, first, widthIndex, seed) =>
    {
        var width = Widths[widthIndex];
        var lanes = new byte[16 * blocks];
        new Random(seed).NextBytes(lanes);
        using var aes = Aes.Create();
        aes.SetKey(key);
        var expected = new byte[lanes.Length];
        for (var i = 0; i < blocks; i++)
        {
            var counter = new byte[16];
            BitConverter.TryWriteBytes(counter, first + i);
            ScalarAdd(lanes.AsSpan(16 * i, 16), aes.EncryptEcb(counter, PaddingMode.None), width).CopyTo(expected, 16 * i);
        }

        foreach (var (name, stream) in Streams(key))
        {
            var sum = lanes.ToArray();
            stream.Add(sum, width, first);
            Assert.True(sum.AsSpan().SequenceEqual(expected), $"{name}, {width}");
            stream.Subtract(sum, width, first);
            Assert.True(sum.AsSpan().SequenceEqual(lanes), $"{name}, {width}, back");
            stream.Dispose();
        }
    }, seed: "0000FedMask01", iter: 200);

    [Fact]
    public void AnyChunkAlone_IsTheSliceOfTheWhole()
    {
        var key = SHA256.HashData("chunks"u8);
        const int chunks = 3;
        foreach (var (name, stream) in Streams(key))
        {
            var whole = new byte[(chunks * Limits.ChunkBytes) + 64];
            stream.Add(whole, LaneWidth.Bits16, 0);
            for (var chunk = 0; chunk <= chunks; chunk++)
            {
                var part = new byte[Math.Min(Limits.ChunkBytes, whole.Length - (chunk * Limits.ChunkBytes))];
                stream.Add(part, LaneWidth.Bits16, (long)chunk * MaskStream.BlocksPerChunk);
                Assert.True(part.AsSpan().SequenceEqual(whole.AsSpan(chunk * Limits.ChunkBytes, part.Length)), $"{name}, chunk {chunk}");
            }
        }
    }

    [Fact]
    public void HotLoop_AllocatesNothing()
    {
        using var stream = MaskStream.Create(new byte[32]);
        var lanes = new byte[Limits.ChunkBytes];
        stream.Add(lanes, LaneWidth.Bits16, 0);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++) stream.Subtract(lanes, LaneWidth.Bits16, i);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void KeysAndLengths_AreChecked()
    {
        Assert.Throws<ArgumentException>(() => MaskStream.Create(new byte[16]));
        Assert.Throws<ArgumentException>(() => new PortableMaskStream(new byte[31]));
        using var stream = MaskStream.Create(new byte[32]);
        Assert.Throws<ArgumentException>(() => stream.Add(new byte[17], LaneWidth.Bits8, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Add(new byte[16], (LaneWidth)24, 0));
        foreach (var (_, disposed) in Streams(new byte[32]))
        {
            disposed.Dispose();
            Assert.Throws<ObjectDisposedException>(() => disposed.Add(new byte[16], LaneWidth.Bits8, 0));
        }
    }

    private static byte[] ScalarAdd(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, LaneWidth width)
    {
        var sum = new byte[left.Length];
        var size = (int)width / 8;
        for (var at = 0; at < sum.Length; at += size)
        {
            var carry = 0;
            for (var i = at; i < at + size; i++)
            {
                carry += left[i] + right[i];
                sum[i] = (byte)carry;
                carry >>= 8;
            }
        }

        return sum;
    }

    private static string Hex(Vector128<byte> block)
    {
        var bytes = new byte[16];
        block.CopyTo(bytes);
        return Convert.ToHexStringLower(bytes);
    }
}
