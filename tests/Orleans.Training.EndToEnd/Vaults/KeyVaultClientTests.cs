using System.Security.Cryptography;
using System.Text;
using Orleans.Training.Tests.Cluster;

namespace Orleans.Training.EndToEnd.Vaults;

/// <summary>The official client for Node, unmodified, takes the vault of the tests for one: so what our signer says to it, it says to a vault.</summary>
public sealed class KeyVaultClientTests
{
    [Fact]
    public async Task OfficialClient_GetsTheKey_AndSignatures_FromTheFakeVault()
    {
        await using var vault = await FakeVault.Start();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var version = vault.Add("identity", key);
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(folder["vault.pem"], vault.Certificate);
        await using var client = await NodeProgram.Start("vault.mjs", vault.Port.ToString(), FakeVault.Host, folder["vault.pem"], FakeVault.Token, "identity");
        var lines = await client.All();
        var asked = lines.Where(line => line.TryGetProperty("scopes", out _)).ToList();
        Assert.All(asked, line => Assert.Equal($$"""{"scopes":["{{FakeVault.Resource}}/.default"],"tenant":"{{FakeVault.Tenant}}"}""", line.ToString()));
        Assert.NotEmpty(asked);
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        var answers = lines.Except(asked).ToList();
        Assert.Equal(6, answers.Count);
        foreach (var (found, signed, missing) in new[] { (answers[0], answers[1], answers[2]), (answers[3], answers[4], answers[5]) })
        {
            Assert.Equal($"https://{FakeVault.Host}:{vault.Port}/keys/identity/{version}", found.GetProperty("kid").GetString());
            Assert.Equal((Convert.ToHexStringLower(point.X!), Convert.ToHexStringLower(point.Y!), "EC"), (found.GetProperty("x").GetString(), found.GetProperty("y").GetString(), found.GetProperty("kty").GetString()));
            Assert.True(key.VerifyData(Encoding.UTF8.GetBytes("what is signed"), Convert.FromHexString(signed.GetProperty("signed").GetString()!), HashAlgorithmName.SHA256));
            Assert.Equal(found.GetProperty("kid").GetString(), signed.GetProperty("by").GetString());
            Assert.Equal(("KeyNotFound", 404), (missing.GetProperty("code").GetString(), missing.GetProperty("status").GetInt32()));
        }

        Assert.Contains(vault.Requests, request => request.Contains("version=2025-07-01", StringComparison.Ordinal));
        Assert.Contains(vault.Requests, request => request.Contains("version=7.6", StringComparison.Ordinal));
        Assert.Contains(vault.Requests, request => request.EndsWith("no token", StringComparison.Ordinal));
    }
}
