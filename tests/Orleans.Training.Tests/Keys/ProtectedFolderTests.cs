using System.Buffers.Binary;
using System.Security.Cryptography;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Tests.Cluster;
using Orleans.Training.Tests.Fuzz;

namespace Orleans.Training.Tests.Keys;

/// <summary>Key files under a passphrase: only the passphrase opens them, and only as they were written.</summary>
public sealed class ProtectedFolderTests : IDisposable
{
    private const string Passphrase = "correct horse";
    private const ulong Seed = 20_261_123;

    // Made by other programs: Argon2id by the reference implementation's argon2, AES-256-GCM by Python's cryptography. Keys of RFC 8032 §7.1 and RFC 6979 §A.2.5; 3 passes over 8 MiB.
    private const string ForeignEd25519 = "4f544b45593030320803000020007369787465656e6279746573616c74210102030405060708090a0b0cd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a7b98eeed4b912686a8c27c713b382594016a97367f418a78309e2e809b6ad05b998bdec37ffa3564583fda7ecfe50aa308f3ad44f5ed05951a73394efaeb4e77d41232d99bbe14dc7003bea32bf817e5";
    private const string ForeignEs256 = "4f544b45593030320703000020007369787465656e6279746573616c74210102030405060708090a0b0c0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d44622992f56f6a8e1d609f0791a17d2ce65dfc30b739184329b78733b2fe0a895cbc81a17f53e8eb255ddbc1c4ec65a3f4f460428d8e8e8014cdcb2efe3db5130d280fdb0affdd936aa8e97d8ecef3652b66205";

    private readonly TemporaryFolder _root = new();
    private readonly SecretSource _source;

    public ProtectedFolderTests()
    {
        WriteOwn(_root["pass"], Passphrase + "\n");
        Assert.True(SecretSource.TryParse($"file:{_root["pass"]}", out var source));
        _source = source!;
    }

    public static TheoryData<SignatureAlgorithm> Algorithms => new(SignatureAlgorithm.Ed25519, SignatureAlgorithm.Es256);

    public void Dispose() => _root.Dispose();

    [Theory]
    [InlineData(ForeignEd25519, "8: d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")]
    [InlineData(ForeignEs256, "7: 0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299")]
    public async Task FileOfOtherPrograms_Opens(string file, string key)
    {
        var folder = Protected();
        WriteOwn(PathOf("vote"), Convert.FromHexString(file));
        var signer = folder.Open("vote");
        Assert.Equal(key, $"{-(int)signer.PublicKey.Algorithm}: {Convert.ToHexStringLower(signer.PublicKey.Bytes.Span)}");
        var signature = await signer.Sign(new byte[3], default);
        Assert.True(Signatures.Verify(signer.PublicKey, new byte[3], signature));
    }

    [Theory, MemberData(nameof(Algorithms))]
    public async Task Keys_OfAProtectedFolder_AreSealed_AndOpenAgain(SignatureAlgorithm algorithm)
    {
        var folder = Protected();
        var created = folder.Create("vote", algorithm);
        var opened = new KeyFolder(_root.Path, ParticipantId.Parse("alpha")).Open("vote");
        Assert.Equal(created.PublicKey, opened.PublicKey);
        var signature = await opened.Sign(new byte[9], default);
        Assert.True(Signatures.Verify(created.PublicKey, new byte[9], signature));
        Assert.Equal("OTKEY002"u8, File.ReadAllBytes(PathOf("vote")).AsSpan(0, 8));
        folder.Create("log", algorithm);
        Assert.NotEqual(File.ReadAllBytes(PathOf("vote"))[14..42], File.ReadAllBytes(PathOf("log"))[14..42]);
    }

    [Theory, MemberData(nameof(Algorithms))]
    public void Protect_SealsThePlainKeys_AndLeavesNoSecretInTheirFiles(SignatureAlgorithm algorithm)
    {
        var folder = Folder();
        var (vote, log) = (folder.Create("vote", algorithm).PublicKey, folder.Create("log", algorithm).PublicKey);
        var secret = File.ReadAllBytes(PathOf("vote"))[9..41];
        using var old = File.OpenHandle(PathOf("vote"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        folder.Protect(_source);
        var before = new byte[KeyFile.Create(algorithm).Length];
        Assert.Equal(before.Length, RandomAccess.Read(old, before, 0));
        Assert.Equal(-1, before.AsSpan().IndexOfAnyExcept((byte)0));
        Assert.Equal((vote, log), (folder.Open("vote").PublicKey, Folder().Open("log").PublicKey));
        foreach (var path in Directory.EnumerateFiles(_root["alpha"])) Assert.Equal(-1, File.ReadAllBytes(path).AsSpan().IndexOf(secret.AsSpan(0, 8)));
        Assert.Equal("OT-4037", Assert.Throws<OperationalException>(() => folder.Protect(_source)).Code);
    }

    [Fact]
    public void Protect_ThatWasInterrupted_GoesOn()
    {
        var folder = Folder();
        var (vote, log) = (folder.Create("vote", SignatureAlgorithm.Ed25519).PublicKey, folder.Create("log", SignatureAlgorithm.Ed25519).PublicKey);
        var plain = File.ReadAllBytes(PathOf("vote"));
        folder.Protect(_source);
        File.Delete(_root["alpha/passphrase.source"]);
        WriteOwn(PathOf("vote"), plain);
        WriteOwn(PathOf("vote") + ".new", "half"u8.ToArray());
        Assert.Equal("OT-4037", Assert.Throws<OperationalException>(() => Folder().Open("log")).Code);
        Folder().Protect(_source);
        Assert.Equal((vote, log), (Folder().Open("vote").PublicKey, Folder().Open("log").PublicKey));
    }

    [Fact]
    public void Protect_WithAnotherPassphraseThanBefore_SealsNothing()
    {
        var folder = Folder();
        folder.Create("a", SignatureAlgorithm.Ed25519);
        folder.Create("b", SignatureAlgorithm.Ed25519);
        var plain = File.ReadAllBytes(PathOf("b"));
        folder.Protect(_source);
        File.Delete(_root["alpha/passphrase.source"]);
        WriteOwn(PathOf("b"), plain);
        WriteOwn(_root["pass"], "another");
        Assert.Equal("OT-4034", Assert.Throws<OperationalException>(() => Folder().Protect(_source)).Code);
        Assert.Equal(plain, File.ReadAllBytes(PathOf("b")));
        Assert.False(File.Exists(_root["alpha/passphrase.source"]));
    }

    [Theory, MemberData(nameof(Algorithms))]
    public void WrongPassphrase_IsRefused_AndTheMessageSaysNoMore(SignatureAlgorithm algorithm)
    {
        var folder = Protected();
        folder.Create("vote", algorithm);
        var messages = new HashSet<string>();
        foreach (var wrong in (string[])["correct hors", "correct horse ", "Correct horse", "x", new('y', SecretSource.MaximumBytes)])
        {
            WriteOwn(_root["pass"], wrong);
            var refusal = Assert.Throws<OperationalException>(() => folder.Open("vote"));
            Assert.Equal("OT-4034", refusal.Code);
            Assert.Null(refusal.InnerException);
            messages.Add(refusal.Message);
            if (wrong.Length > 1) Assert.DoesNotContain(wrong, refusal.ToString(), StringComparison.Ordinal);
        }

        Assert.Equal([$"OT-4034 {PathOf("vote")} does not open with this passphrase."], messages);
    }

    [Fact]
    public void PlainKey_InAProtectedFolder_IsRefused()
    {
        Folder().Create("vote", SignatureAlgorithm.Ed25519);
        WriteOwn(_root["alpha/passphrase.source"], $"{_source}\n");
        Assert.Equal("OT-4037", Assert.Throws<OperationalException>(() => Folder().Open("vote")).Code);
    }

    [Theory, MemberData(nameof(Algorithms))]
    public void SealedFile_FlippedOrCutAnywhere_IsRefused(SignatureAlgorithm algorithm)
    {
        var folder = Protected();
        folder.Create("vote", algorithm);
        var whole = File.ReadAllBytes(PathOf("vote"));
        for (var at = 0; at < whole.Length; at++)
        {
            RequireRefusal(folder, "OT-4032", whole[..at]);
            for (var bit = 0; bit < 8; bit++) RequireRefusal(folder, "OT-4032", Flipped(whole, at, bit));
        }

        RequireRefusal(folder, "OT-4032", [.. whole, 0]);
    }

    // Who can write the file can write its hash too: then the passphrase decides.
    [Theory, MemberData(nameof(Algorithms))]
    public void SealedFile_FlippedAnywhereWithItsHashMadeRight_IsRefused(SignatureAlgorithm algorithm)
    {
        var folder = Protected();
        folder.Create("vote", algorithm);
        var whole = File.ReadAllBytes(PathOf("vote"));
        for (var at = 0; at < whole.Length - 32; at++)
        {
            // An upper bit of the memory, so that it is above its limit and not half a gigabyte.
            var bit = at == 11 ? 7 : 0;
            RequireRefusal(folder, at < 9 ? "OT-4032" : null, Rehashed(Flipped(whole, at, bit)));
        }
    }

    [Theory]
    [InlineData(0, 64)]
    [InlineData(11, 64)]
    [InlineData(255, 64)]
    [InlineData(1, 7)]
    [InlineData(1, 0)]
    [InlineData(1, -1)]
    [InlineData(1, (1024 * 1024) + 1)]
    [InlineData(1, int.MaxValue)]
    public void Cost_BeyondItsLimits_IsRefusedUnpaid(int passes, int memory)
    {
        var file = Sealed(SignatureAlgorithm.Ed25519);
        Assert.True(SealedKeyFile.IsWhole(file));
        file[9] = (byte)passes;
        BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(10), memory);
        Assert.False(SealedKeyFile.IsWhole(Rehashed(file)));
    }

    [Theory]
    [InlineData(1, 8)]
    [InlineData(10, 8)]
    [InlineData(1, 1024 * 1024)]
    public void Cost_AtItsLimits_IsAccepted(int passes, int memory)
    {
        var file = Sealed(SignatureAlgorithm.Ed25519);
        file[9] = (byte)passes;
        BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(10), memory);
        Assert.True(SealedKeyFile.IsWhole(Rehashed(file)));
    }

    [Fact]
    public void Parser_RefusesOrOpensTheVeryKey_WhateverTheBytes()
    {
        byte[][] valid = [Sealed(SignatureAlgorithm.Ed25519), Sealed(SignatureAlgorithm.Es256)];
        var keys = valid.Select(file => Convert.ToHexString(SealedKeyFile.Unseal(file, "fuzz"u8)!)).ToHashSet();
        var mutator = new Mutator(Seed);
        var (opened, whole) = (0, 0);
        for (var number = 0; number < 20_000; number++)
        {
            var input = mutator.Next(valid);
            if (number % 2 == 0 && input.Length > 32) input = Rehashed(input);
            if (!SealedKeyFile.IsWhole(input)) continue;
            whole++;
            // Another cost is another key, and may be dear: the theories above try some.
            valid[0].AsSpan(9, 5).CopyTo(input.AsSpan(9));
            if (SealedKeyFile.Unseal(input, "fuzz"u8) is not { } plain) continue;
            Assert.True(keys.Contains(Convert.ToHexString(plain)), $"seed {Seed}, case {number}: {Convert.ToHexString(input)}");
            opened++;
        }

        Assert.True(opened > 100 && whole > opened, $"seed {Seed}: {whole} whole, {opened} opened");
    }

    [Fact]
    public void Passphrase_AppearsInNoTextOfTheFolder()
    {
        var folder = Protected();
        var signer = folder.Create("vote", SignatureAlgorithm.Ed25519);
        using var secret = _source.Read();
        var texts = $"{folder} {signer} {_source} {secret} {System.Text.Json.JsonSerializer.Serialize(folder)} {System.Text.Json.JsonSerializer.Serialize(_source)} {System.Text.Json.JsonSerializer.Serialize(secret)}";
        Assert.DoesNotContain(Passphrase, texts, StringComparison.Ordinal);
        secret.Dispose();
        Assert.Equal(-1, secret.Bytes.IndexOfAnyExcept((byte)0));
    }

    private static byte[] Sealed(SignatureAlgorithm algorithm) => SealedKeyFile.Seal(KeyFile.Create(algorithm), "fuzz"u8, new PassphraseCost(1, 8));

    private static byte[] Flipped(byte[] whole, int at, int bit)
    {
        var flipped = (byte[])whole.Clone();
        flipped[at] ^= (byte)(1 << bit);
        return flipped;
    }

    private static byte[] Rehashed(byte[] file) => [.. file[..^32], .. SHA256.HashData(file.AsSpan(..^32))];

    private static void WriteOwn(string path, string text) => WriteOwn(path, System.Text.Encoding.UTF8.GetBytes(text));

    private static void WriteOwn(string path, byte[] bytes)
    {
        File.WriteAllBytes(path, bytes);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private KeyFolder Folder() => new(_root.Path, ParticipantId.Parse("alpha"), new PassphraseCost(1, 8));

    private KeyFolder Protected()
    {
        var folder = Folder();
        folder.Protect(_source);
        return folder;
    }

    private void RequireRefusal(KeyFolder folder, string? code, byte[] damaged)
    {
        WriteOwn(PathOf("vote"), damaged);
        var refusal = Assert.Throws<OperationalException>(() => folder.Open("vote"));
        if (code is null) Assert.True(refusal.Code is "OT-4032" or "OT-4034", refusal.Message);
        else Assert.Equal(code, refusal.Code);
    }

    private string PathOf(string name) => _root[Path.Combine("alpha", name + ".key")];
}
