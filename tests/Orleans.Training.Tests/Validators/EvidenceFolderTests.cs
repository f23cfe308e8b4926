using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Validators;

/// <summary>A proof that an alarm speaks of is there after a crash, once, and whole.</summary>
public sealed class EvidenceFolderTests : IDisposable
{
    private static readonly Evidence Proof = EvidenceTests.Of(EvidenceTests.Notarize(1), EvidenceTests.Notarize(2));
    private readonly string _root = Directory.CreateTempSubdirectory("evidence").FullName;

    private string Folder => Path.Combine(_root, "a", "evidence");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void AProof_IsThereAgain_OnceForAKeyAndEra()
    {
        var folder = new EvidenceFolder(Folder);
        Assert.Empty(folder.Proofs);
        var path = folder.Keep(Proof)!;
        Assert.Equal(path, folder.Keep(EvidenceTests.Of(EvidenceTests.Notarize(1, view: 8), EvidenceTests.Notarize(2, view: 8))));
        Assert.NotEqual(path, folder.Keep(EvidenceTests.Of(EvidenceTests.Notarize(1, era: 2), EvidenceTests.Notarize(2, era: 2))));
        Assert.Equal(Proof.Encode(), File.ReadAllBytes(path));
        var again = new EvidenceFolder(Folder);
        Assert.Equal(folder.Proofs.Keys, again.Proofs.Keys);
        Assert.Equal(Proof.Encode(), again.Proofs[Path.GetFileNameWithoutExtension(path)].Encode());
        Assert.Equal(path, again.Keep(Proof));
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
    }

    // Somebody else's files, and what a crash has left, are no proofs; nobody touches them.
    [Fact]
    public void WhatIsNoProof_IsLeftAlone()
    {
        Directory.CreateDirectory(Folder);
        var bytes = Proof.Encode();
        File.WriteAllBytes(Path.Combine(Folder, "cut.evidence"), bytes[..^1]);
        File.WriteAllBytes(Path.Combine(Folder, "empty.evidence"), []);
        File.WriteAllBytes(Path.Combine(Folder, "large.evidence"), new byte[FaultProof.MaximumBytes + 1]);
        File.WriteAllBytes(Path.Combine(Folder, "half.evidence.new"), bytes);
        File.WriteAllBytes(Path.Combine(Folder, "nothing.evidence"), (Proof with { Second = Proof.First }).Encode());
        File.WriteAllBytes(Path.Combine(Folder, "good.evidence"), bytes);
        Assert.Equal(["good"], new EvidenceFolder(Folder).Proofs.Keys);
        Assert.Equal(6, Directory.EnumerateFiles(Folder).Count());
    }

    [Fact]
    public void AProofThatCannotBeWritten_IsHeld_AndWrittenWhenItCan()
    {
        var folder = new EvidenceFolder(Folder);
        File.WriteAllText(Path.Combine(_root, "a"), "a file where the folder should be");
        Assert.ThrowsAny<IOException>(() => folder.Keep(Proof));
        Assert.Single(folder.Proofs);
        File.Delete(Path.Combine(_root, "a"));
        Assert.True(File.Exists(folder.Keep(Proof)));
        Assert.Single(new EvidenceFolder(Folder).Proofs);
    }

    [Fact]
    public void Files_AreLimited()
    {
        Directory.CreateDirectory(Folder);
        for (var i = 0; i < EvidenceFolder.MostFiles + 5; i++) File.WriteAllBytes(Path.Combine(Folder, $"{i:D5}.evidence"), Proof.Encode());
        var folder = new EvidenceFolder(Folder);
        Assert.Equal(EvidenceFolder.MostFiles, folder.Proofs.Count);
        Assert.Null(folder.Keep(Proof));
    }
}
