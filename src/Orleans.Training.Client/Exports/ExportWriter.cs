using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Client.Exports;

/// <summary>Writes an export into a folder that must not exist yet. What is written is not believed: <see cref="ExportVerifier"/> checks it.</summary>
public sealed class ExportWriter
{
    private readonly string _folder;

    /// <summary>Creates the folder.</summary>
    /// <exception cref="IOException">It exists and is not empty.</exception>
    public ExportWriter(string folder)
    {
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()) throw new IOException($"{folder} is not empty: name a new folder.");
        _folder = folder;
        foreach (var part in new[] { "blocks", "receipts", "blobs", "statements" }) Directory.CreateDirectory(Path.Combine(folder, part));
    }

    /// <summary>Writes the genesis.</summary>
    public void WriteGenesis(Genesis genesis) => Write(ExportLayout.Genesis, genesis.Encode());

    /// <summary>Writes a block, with a finalization of it if there is one.</summary>
    public void WriteBlock(Block block, Certificate? finalization) => Write(ExportLayout.Block((long)block.Header.Height), ExportLayout.EncodeBlock(block, finalization));

    /// <summary>Writes the checkpoint.</summary>
    public void WriteCheckpoint(SignedNote note) => Write(ExportLayout.Checkpoint, System.Text.Encoding.UTF8.GetBytes(note.ToString()));

    /// <summary>Writes a receipt.</summary>
    public void WriteReceipt(Receipt receipt) => Write(ExportLayout.Receipt(receipt.Index), System.Text.Encoding.UTF8.GetBytes(receipt.ToString()));

    /// <summary>Writes a blob under its name.</summary>
    public void WriteBlob(Digest root, ReadOnlySpan<byte> content) => Write(ExportLayout.Blob(root), content);

    /// <summary>Writes the last model as a safetensors file.</summary>
    public void WriteModel(ReadOnlySpan<byte> safetensors) => Write(ExportLayout.Model, safetensors);

    /// <summary>Writes what a validator says about the last model.</summary>
    public void WriteStatement(ParticipantId validator, ReadOnlySpan<byte> bundle) => Write(ExportLayout.Statement(validator), bundle);

    private void Write(string file, ReadOnlySpan<byte> content) => File.WriteAllBytes(Path.Combine(_folder, file), content);
}
