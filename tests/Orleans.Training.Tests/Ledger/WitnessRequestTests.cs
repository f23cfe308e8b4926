using System.Text;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Cluster;

namespace Orleans.Training.Tests.Ledger;

/// <summary>A witness's rules where other people's logs do not go: extension lines, empty trees, a damaged record, two requests at once.</summary>
public sealed class WitnessRequestTests
{
    private const string Origin = "log.example/one";
    private static readonly TestKey Log = TestKey.Of("a log");
    private static readonly NoteKey LogKey = new(Origin, NoteKeyKind.Log, Log.Public);

    [Theory]
    [InlineData("", WitnessVerdict.Cosign)]
    [InlineData("an extension\n", WitnessVerdict.Cosign)]
    [InlineData("an extension\nanother\n", WitnessVerdict.Cosign)]
    public async Task WhatFollowsTheRoot_IsCosignedAsItStands(string extension, WitnessVerdict expected)
    {
        using var folder = new TemporaryFolder();
        using var witness = Witness(folder.Path);
        var note = Sign(new Checkpoint(Origin, 1, Digest.Of([7])).Text + extension);
        var (verdict, line) = await witness.Add(new WitnessRequest(0, [], note).ToString(), CancellationToken.None);
        Assert.Equal(expected, verdict);
        Assert.True(NoteSignature.TryParse(line.TrimEnd('\n'), out var signature));
        Assert.True(SignedNote.Verify(note.Text, witness.Key, signature!));
        Assert.Equal(new SignedNote(note.Text, [.. note.Signatures, signature!]).ToString(), witness.Latest(Digest.Of(Encoding.UTF8.GetBytes(Origin))));
    }

    [Fact]
    public async Task AnEmptyTree_HasTheRootOfNothing()
    {
        using var folder = new TemporaryFolder();
        using var witness = Witness(folder.Path);
        Assert.Equal((WitnessVerdict.Inconsistent, ""), await witness.Add(new WitnessRequest(0, [], Sign(new Checkpoint(Origin, 0, Digest.Zero).Text)).ToString(), CancellationToken.None));
        Assert.Equal(WitnessVerdict.Cosign, (await witness.Add(new WitnessRequest(0, [], Sign(new Checkpoint(Origin, 0, Digest.Of([])).Text)).ToString(), CancellationToken.None)).Verdict);
        Assert.Equal(WitnessVerdict.Inconsistent, (await witness.Add(new WitnessRequest(0, [Digest.Zero], Sign(new Checkpoint(Origin, 3, Digest.Of([1])).Text)).ToString(), CancellationToken.None)).Verdict);
    }

    // Of all requests that begin at nothing one is granted: the others would let two trees grow.
    [Fact]
    public async Task OfManyAtOnce_OneIsGranted()
    {
        using var folder = new TemporaryFolder();
        using var witness = Witness(folder.Path);
        var answers = await Task.WhenAll(Enumerable.Range(1, 32).Select(size => Task.Run(() => witness.Add(new WitnessRequest(0, [], Sign(new Checkpoint(Origin, size, Digest.Of([(byte)size])).Text)).ToString(), CancellationToken.None))));
        Assert.Single(answers, answer => answer.Verdict is WitnessVerdict.Cosign);
        Assert.Equal(31, answers.Count(answer => answer.Verdict is WitnessVerdict.Conflict));
    }

    [Fact]
    public async Task WithADamagedRecord_NothingIsSigned()
    {
        using var folder = new TemporaryFolder();
        using var witness = Witness(folder.Path);
        await witness.Add(new WitnessRequest(0, [], Sign(new Checkpoint(Origin, 1, Digest.Of([7])).Text)).ToString(), CancellationToken.None);
        var path = Assert.Single(Directory.GetFiles(folder.Path));
        var record = await File.ReadAllBytesAsync(path);
        for (var at = 0; at < record.Length; at++)
        {
            var damaged = record.ToArray();
            damaged[at] ^= 1;
            await File.WriteAllBytesAsync(path, damaged);
            // A byte of the log's own line says nothing that counts: the witness believes its own line.
            if (SignedNote.TryParse(Encoding.UTF8.GetString(damaged), out var note) && note!.IsSignedBy(witness.Key)) continue;
            Assert.Equal("OT-7070", (await Assert.ThrowsAsync<OperationalException>(() => witness.Add(new WitnessRequest(0, [], Sign(new Checkpoint(Origin, 2, Digest.Of([8])).Text)).ToString(), CancellationToken.None))).Code);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("old 0\n")]
    [InlineData("old 00\n\n")]
    [InlineData("old -1\n\n")]
    [InlineData("old 0 \n\n")]
    [InlineData("old 0\nAAAA\n\n")]
    [InlineData("Old 0\n\n")]
    public void WhatIsNoRequest_IsRefused(string head)
    {
        var note = Sign(new Checkpoint(Origin, 1, Digest.Of([7])).Text).ToString();
        Assert.False(WitnessRequest.TryParse(head + note, out _));
        Assert.True(WitnessRequest.TryParse("old 0\n\n" + note, out var good));
        Assert.Equal("old 0\n\n" + note, good!.ToString());
        Assert.False(WitnessRequest.TryParse($"old 1\n{string.Concat(Enumerable.Repeat(Convert.ToBase64String(new byte[32]) + "\n", 64))}\n{note}", out _));
    }

    private static LogWitness Witness(string folder)
    {
        var signer = new Ed25519Signer(Digest.Of("a witness"u8).ToArray());
        return new LogWitness(new NoteKey("witness.example/w", NoteKeyKind.Cosignature, signer.PublicKey), signer, [LogKey], folder, TimeProvider.System);
    }

    private static SignedNote Sign(string text) => new(text, [new NoteSignature(Origin, LogKey.Id, Log.Sign(SignedNote.LogMessage(text)))]);
}
