using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Tests.Cluster;

namespace Orleans.Training.Tests.Keys;

/// <summary>
/// Tokens of SoftHSM in a folder of their own, with keys that were made outside and imported, so that their public halves are known. Made before the module is loaded:
/// it reads its tokens once.
/// </summary>
public sealed partial class SoftTokens : IDisposable
{
    public const string Pin = "pin-739154";
    public const string Module = "/usr/lib/softhsm/libsofthsm2.so";

    private readonly TemporaryFolder _folder = new();

    public SoftTokens()
    {
        Assert.True(File.Exists(Module), $"{Module} is missing: apt-get install --no-install-recommends softhsm2 (tests/run-tests does it when it runs as root)");
        Directory.CreateDirectory(_folder["tokens"]);
        File.WriteAllText(_folder["conf"], $"directories.tokendir = {_folder["tokens"]}\nobjectstore.backend = file\nlog.level = ERROR\n");
        // The module reads the environment of the process, which .NET keeps a copy of.
        Assert.Equal(0, SetVariable("SOFTHSM2_CONF", _folder["conf"], 1));
        foreach (var token in (string[])["hospital", "guarded", "removed"]) Tool("--init-token", "--free", "--label", token, "--pin", Pin, "--so-pin", "unused-17");
        using (var identity = ECDsa.Create(ECCurve.NamedCurves.nistP256))
        {
            Identity = Key(identity);
            foreach (var token in (string[])["hospital", "guarded", "removed"]) Import(token, "identity", "01", identity.ExportPkcs8PrivateKey());
        }

        var seed = RandomNumberGenerator.GetBytes(32);
        using (var signer = new Ed25519Signer(seed)) Edwards = signer.PublicKey;
        // RFC 8410 §7.
        Import("hospital", "edwards", "02", [.. Convert.FromHexString("302e020100300506032b657004220420"), .. seed]);
        using var twin = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Twin = Key(twin);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Import("hospital", "twin", "03", twin.ExportPkcs8PrivateKey());
        Import("hospital", "twin", "04", other.ExportPkcs8PrivateKey());
        using var wide = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        Import("hospital", "wide", "05", wide.ExportPkcs8PrivateKey());
        using var rsa = RSA.Create(2048);
        Import("hospital", "rsa", "06", rsa.ExportPkcs8PrivateKey());
        Import("hospital", "lonely", "07", twin.ExportPkcs8PrivateKey(), "--no-public-key");
    }

    public PublicKey Identity { get; }

    public PublicKey Edwards { get; }

    /// <summary>The key with id 03; another key has the same label and id 04.</summary>
    public PublicKey Twin { get; }

    /// <summary>Takes a token away from under the running module.</summary>
    public void Remove(string token) => Tool("--delete-token", "--token", token);

    /// <summary>A file of this PIN, for its owner only, in this folder.</summary>
    internal static string PinFile(TemporaryFolder folder, string pin)
    {
        File.WriteAllText(folder["pin"], pin);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(folder["pin"], UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return folder["pin"];
    }

    public void Dispose() => _folder.Dispose();

    private static PublicKey Key(ECDsa key)
    {
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        Assert.True(PublicKey.TryCreate(SignatureAlgorithm.Es256, [4, .. point.X!, .. point.Y!], out var known));
        return known!;
    }

    private void Import(string token, string label, string id, byte[] pkcs8, params string[] more)
    {
        File.WriteAllText(_folder["key"], new string(PemEncoding.Write("PRIVATE KEY", pkcs8)));
        Tool(["--import", _folder["key"], "--token", token, "--pin", Pin, "--label", label, "--id", id, .. more]);
        File.Delete(_folder["key"]);
    }

    private void Tool(params string[] arguments)
    {
        var start = new ProcessStartInfo("softhsm2-util", arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["SOFTHSM2_CONF"] = _folder["conf"];
        using var process = Process.Start(start)!;
        var problems = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"softhsm2-util {arguments[0]} failed: {output} {problems.GetAwaiter().GetResult()}");
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetVariable(string name, string value, int overwrite);
}
