using System.Text;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Tests.Cluster;
using Orleans.Training.Tests.Fuzz;

namespace Orleans.Training.Tests.Keys;

/// <summary>Where keys and secrets lie, as text: one meaning, and never a secret in it.</summary>
public sealed class KeyReferenceTests : IDisposable
{
    private const ulong Seed = 20_261_124;
    private const string Version = "0123456789abcdef0123456789abcdef";
    private const string Token = "pkcs11:token=T;object=O?module-path=/m.so&pin-source=env:PIN";

    private readonly TemporaryFolder _root = new();

    public static TheoryData<string> Good => new(
        "file:other",
        Token,
        "pkcs11:token=My%20Token;serial=12ab;object=identity%20key;id=%01%FF?module-path=/usr/lib/m.so&pin-source=file:/run/secrets/pin",
        "pkcs11:token=T;id=a?module-path=/m.so&pin-source=env:PIN",
        $"https://hospital.vault.azure.net/keys/identity/{Version}",
        $"https://hospital.managedhsm.azure.net/keys/Identity-2/{Version}");

    public static TheoryData<string> Bad => new(
        "", "transaction", "file:", "file:../beta", "file:a/b", "env:X", "PKCS11:token=T",
        "pkcs11:", "pkcs11:token=T;object=O", "pkcs11:token=T;object=O?module-path=/m.so", "pkcs11:token=T;object=O?pin-source=env:P", "pkcs11:object=O?module-path=/m.so&pin-source=env:P",
        "pkcs11:token=T?module-path=/m.so&pin-source=env:P", "pkcs11:token=T;object=O?module-path=m.so&pin-source=env:P", "pkcs11:token=T;object=O?module-path=/m.so&pin-source=env:1P",
        "pkcs11:token=T;object=O?module-path=/m.so&pin-source=file:pin", "pkcs11:token=T;object=O?module-path=/m.so&pin-source=%7Cprogram", "pkcs11:token=T;token=U;object=O?module-path=/m.so&pin-source=env:P",
        "pkcs11:token=T;object=O;type=public?module-path=/m.so&pin-source=env:P", "pkcs11:token=T;object=O;slot-id=1?module-path=/m.so&pin-source=env:P", "pkcs11:token=T;object=%4?module-path=/m.so&pin-source=env:P",
        "pkcs11:token=T;object=%C3%28?module-path=/m.so&pin-source=env:P", "pkcs11:token=T;object=%0A?module-path=/m.so&pin-source=env:P", "pkcs11:token=;object=O?module-path=/m.so&pin-source=env:P",
        $"http://hospital.vault.azure.net/keys/identity/{Version}", "https://hospital.vault.azure.net/keys/identity", "https://hospital.vault.azure.net/keys/identity/", $"https://hospital.vault.azure.net/keys/identity/{Version}/sign",
        $"https://hospital.vault.azure.net/keys/identity/{Version}?x=1", $"https://user@hospital.vault.azure.net/keys/identity/{Version}", $"https://hospital.vault.azure.net:444/keys/identity/{Version}", $"https://localhost/keys/identity/{Version}",
        $"https://hospital.vault.azure.net/secrets/identity/{Version}", $"https://hospital.vault.azure.net/keys/../{Version}", $"https://hospital.vault.azure.net/keys/identity/{Version}\n");

    public void Dispose() => _root.Dispose();

    [Theory, MemberData(nameof(Good))]
    public void Reference_IsWrittenAsItIsRead(string text)
    {
        Assert.True(KeyReference.TryParse(text, out var reference, out var problem), problem);
        Assert.Equal(text, reference!.ToString());
    }

    [Theory, MemberData(nameof(Bad))]
    public void Text_ThatIsNoReference_IsRefused(string text)
    {
        Assert.False(KeyReference.TryParse(text, out var reference, out var problem), text);
        Assert.Null(reference);
        Assert.NotEmpty(problem);
    }

    [Fact]
    public void Length_IsLimited()
    {
        var prefix = Token[..^3];
        Assert.True(KeyReference.TryParse(Token.Replace("object=O", "object=" + new string('o', KeyReference.MaximumCharacters - Token.Length + 1), StringComparison.Ordinal), out _, out _));
        Assert.False(KeyReference.TryParse(Token.Replace("object=O", "object=" + new string('o', KeyReference.MaximumCharacters - Token.Length + 2), StringComparison.Ordinal), out _, out _));
        Assert.False(KeyReference.TryParse(prefix + new string('P', 257), out _, out _));
    }

    [Theory]
    [InlineData("pin-value=739154")]
    [InlineData("pin-source=739154")]
    [InlineData("pin=739154")]
    [InlineData("739154")]
    public void Pin_InAReference_IsRefused_AndNotRepeated(string part)
    {
        foreach (var text in (string[])[$"pkcs11:token=T;object=O?module-path=/m.so&{part}", $"pkcs11:token=T;{part}?module-path=/m.so&pin-source=env:P"])
        {
            Assert.False(KeyReference.TryParse(text, out _, out var problem));
            Assert.DoesNotContain("739154", problem, StringComparison.Ordinal);
            WriteOwn(_root["alpha/transaction.ref"], text);
            var refusal = Assert.Throws<OperationalException>(() => Folder().Open("transaction"));
            Assert.Equal("OT-4036", refusal.Code);
            Assert.DoesNotContain("739154", refusal.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Parser_NeverThrows_AndReadsOneMeaning_WhateverTheText()
    {
        var valid = ((IEnumerable<object[]>)Good).Select(row => Encoding.UTF8.GetBytes((string)row[0])).ToList();
        var mutator = new Mutator(Seed);
        var read = 0;
        for (var number = 0; number < 50_000; number++)
        {
            var text = Encoding.UTF8.GetString(mutator.Next(valid));
            if (!KeyReference.TryParse(text, out var reference, out _)) continue;
            Assert.True(KeyReference.TryParse(reference!.ToString()!, out var again, out _) && again == reference, $"seed {Seed}, case {number}: {text}");
            read++;
        }

        Assert.True(read > 1000, $"seed {Seed}: {read} read");
    }

    [Fact]
    public void Reference_LeadsToAnotherFileOfTheFolder()
    {
        var folder = Folder();
        var key = folder.Create("other", SignatureAlgorithm.Es256).PublicKey;
        WriteOwn(_root["alpha/transaction.ref"], "file:other\n");
        Assert.Equal(key, folder.Open("transaction").PublicKey);
        Assert.Equal("OT-4033", Assert.Throws<OperationalException>(() => folder.Create("transaction", SignatureAlgorithm.Es256)).Code);
    }

    [Theory]
    [InlineData("vote")]
    [InlineData("cosign")]
    [InlineData("log")]
    [InlineData("derivation")]
    public void OnlyTheIdentityKey_MayLieElsewhere(string name)
    {
        Folder().Create("other", SignatureAlgorithm.Ed25519);
        WriteOwn(_root[$"alpha/{name}.ref"], "file:other\n");
        Assert.Equal("OT-4036", Assert.Throws<OperationalException>(() => Folder().Open(name)).Code);
    }

    [Fact]
    public void ReferenceAndKey_OfOneName_AreRefused()
    {
        Folder().Create("transaction", SignatureAlgorithm.Ed25519);
        Folder().Create("other", SignatureAlgorithm.Ed25519);
        WriteOwn(_root["alpha/transaction.ref"], "file:other\n");
        Assert.Equal("OT-4036", Assert.Throws<OperationalException>(() => Folder().Open("transaction")).Code);
    }

    [Fact]
    public void ReferenceAndSource_ThatOthersMayUse_AreRefused()
    {
        if (OperatingSystem.IsWindows()) return;
        Folder().Create("other", SignatureAlgorithm.Ed25519);
        foreach (var name in (string[])["transaction.ref", "passphrase.source"])
        {
            WriteOwn(_root["alpha/" + name], name[0] == 't' ? "file:other" : "env:OTRAIN_TEST");
            File.SetUnixFileMode(_root["alpha/" + name], UnixFileMode.UserRead | UnixFileMode.GroupWrite);
            Assert.Equal("OT-4031", Assert.Throws<OperationalException>(() => Folder().Open("transaction")).Code);
            File.Delete(_root["alpha/" + name]);
        }
    }

    [Theory]
    [InlineData("secret")]
    [InlineData("env:")]
    [InlineData("file:relative")]
    public void PassphraseSource_ThatIsNone_IsRefused_AndNotRepeated(string text)
    {
        Folder();
        WriteOwn(_root["alpha/passphrase.source"], text);
        var refusal = Assert.Throws<OperationalException>(() => Folder());
        Assert.Equal("OT-4036", refusal.Code);
        Assert.DoesNotContain("secret", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("x", "x")]
    [InlineData("x\n", "x")]
    [InlineData("x\r\n", "x")]
    [InlineData("x \n\n", "x \n")]
    [InlineData("é", "é")]
    public void Secret_OfAFile_EndsBeforeItsLastLineEnd(string file, string expected)
    {
        WriteOwn(_root["secret"], file);
        using var secret = Source($"file:{_root["secret"]}").Read();
        Assert.Equal(expected, Encoding.UTF8.GetString(secret.Bytes));
    }

    [Fact]
    public void Secret_ThatCannotBeHad_IsRefusedByItsPlace()
    {
        WriteOwn(_root["empty"], "\n");
        WriteOwn(_root["long"], new string('x', SecretSource.MaximumBytes + 1));
        foreach (var place in (string[])[$"file:{_root["none"]}", $"file:{_root["empty"]}", $"file:{_root["long"]}", $"file:{_root.Path}", "env:OTRAIN_TEST_UNSET"])
        {
            var refusal = Assert.Throws<OperationalException>(() => Source(place).Read());
            Assert.Equal("OT-4035", refusal.Code);
            Assert.Contains(place, refusal.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("xxx", refusal.Message, StringComparison.Ordinal);
        }

        WriteOwn(_root["longest"], new string('x', SecretSource.MaximumBytes) + "\r\n");
        using var longest = Source($"file:{_root["longest"]}").Read();
        Assert.Equal(SecretSource.MaximumBytes, longest.Bytes.Length);
        if (OperatingSystem.IsWindows()) return;
        File.SetUnixFileMode(_root["longest"], UnixFileMode.UserRead | UnixFileMode.GroupRead);
        Assert.Equal("OT-4031", Assert.Throws<OperationalException>(() => Source($"file:{_root["longest"]}").Read()).Code);
    }

    [Fact]
    public void Secret_OfAVariable_IsItsValue()
    {
        Environment.SetEnvironmentVariable("OTRAIN_TEST_SECRET", "wörd");
        using var secret = Source("env:OTRAIN_TEST_SECRET").Read();
        Assert.Equal("wörd", Encoding.UTF8.GetString(secret.Bytes));
        Environment.SetEnvironmentVariable("OTRAIN_TEST_SECRET", null);
    }

    internal static void WriteOwn(string path, string text)
    {
        DurableFiles.CreateFolder(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private static SecretSource Source(string text) => SecretSource.TryParse(text, out var source) ? source! : throw new ArgumentException(text);

    private KeyFolder Folder() => new(_root.Path, ParticipantId.Parse("alpha"), new PassphraseCost(1, 8));
}
