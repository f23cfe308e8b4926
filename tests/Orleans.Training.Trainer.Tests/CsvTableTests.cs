using System.Text;
using CsCheck;

namespace Orleans.Training.Trainer.Tests;

public sealed class CsvTableTests
{
    private static readonly byte[] Separators = [0x22, 0x2c, 10, 13, 0xc3];

    [Fact]
    public void Table_FollowsRfc4180()
    {
        var table = Parse("\uFEFFa,\"b \"\"q\"\"\",c\r\n1,\"x,y\r\nz\",\r\n\"\",2.5e-1,é\n,,");
        Assert.Equal(["a", "b \"q\"", "c"], table.Columns);
        Assert.Equal([["1", "x,y\r\nz", null], [null, "2.5e-1", "é"], [null, null, null]], table.Rows);
        Assert.Equal(0.25, table.NumberAt(1, 1));
        Assert.Null(table.NumberAt(2, 1));
        Assert.Equal(2, table.ColumnOf("c"));
    }

    [Theory]
    [InlineData("", TrainerFault.BadColumn)]
    [InlineData("a,a\n", TrainerFault.BadColumn)]
    [InlineData("a,\n", TrainerFault.BadColumn)]
    [InlineData("a,b\n1\n", TrainerFault.RaggedRow)]
    [InlineData("a,b\n1,2,3\n", TrainerFault.RaggedRow)]
    [InlineData("a,b\n\n", TrainerFault.RaggedRow)]
    [InlineData("a\r1\n", TrainerFault.RaggedRow)]
    [InlineData("a\n\"1", TrainerFault.BadQuote)]
    [InlineData("a\n\"1\"2", TrainerFault.BadQuote)]
    [InlineData("a\n1\"2\"", TrainerFault.BadQuote)]
    public void BrokenTable_IsRefusedByNumber(string text, TrainerFault fault)
    {
        var exception = Assert.Throws<TrainerException>(() => Parse(text));
        Assert.Equal(fault, exception.Fault);
        Assert.StartsWith($"OT-{(int)fault} ", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("x")]
    [InlineData("NaN")]
    [InlineData("1e999")]
    [InlineData("1;5")]
    public void FieldThatIsNoFiniteNumber_IsRefused(string field) => Assert.Equal(TrainerFault.BadNumber, Assert.Throws<TrainerException>(() => Parse($"a\n{field}\n").NumberAt(0, 0)).Fault);

    [Fact]
    public void Limits_HoldAtTheirEdge()
    {
        Assert.Single(Parse("a\n" + new string('x', CsvTable.FieldLimit)).Rows);
        Assert.Equal(TrainerFault.TooLarge, Assert.Throws<TrainerException>(() => Parse("a\n" + new string('x', CsvTable.FieldLimit + 1))).Fault);
        var names = string.Join(',', Enumerable.Range(0, CsvTable.ColumnLimit));
        Assert.Equal(CsvTable.ColumnLimit, Parse(names).Columns.Count);
        Assert.Equal(TrainerFault.TooLarge, Assert.Throws<TrainerException>(() => Parse(names + ",x")).Fault);
        Assert.Equal(CsvTable.RowLimit, Parse("a" + string.Concat(Enumerable.Repeat("\n1", CsvTable.RowLimit))).Rows.Count);
        Assert.Equal(TrainerFault.TooLarge, Assert.Throws<TrainerException>(() => Parse("a" + string.Concat(Enumerable.Repeat("\n1", CsvTable.RowLimit + 1)))).Fault);
        Assert.Equal(TrainerFault.BadText, Assert.Throws<TrainerException>(() => CsvTable.Parse([0x61, 0xff, 0x0a])).Fault);
        Assert.Equal(TrainerFault.BadColumn, Assert.Throws<TrainerException>(() => Parse("a\n").ColumnOf("b")).Fault);
    }

    [Fact]
    public void Table_ReadsWhatWasWritten() => Gen.String[Gen.Char["ab,\"\n\r é"], 0, 6].Array[3].Array[1, 5].Sample(rows =>
    {
        var text = "a,b,c\r\n" + string.Concat(rows.Select(row => string.Join(',', row.Select(field => $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"")) + "\r\n"));
        Assert.Equal(rows.Select(row => row.Select(field => field.Length == 0 ? null : field).ToArray()), Parse(text).Rows);
    });

    [Fact]
    public void Decoder_SurvivesMutatedTables()
    {
        var valid = DataFile.Read(Repository.Data("heart-disease.csv.gz"))[..2000];
        Gen.Select(Gen.Int[0, 3], Gen.Int[0, 1999], Gen.OneOf(Gen.Byte, Gen.Int[0, 4].Select(i => Separators[i])), Gen.Byte.Array[0, 200]).Sample(
            (edit, position, value, noise) =>
            {
                byte[] bytes = edit switch
                {
                    0 => [.. valid[..position], value, .. valid[Math.Min(position + 1, valid.Length)..]],
                    1 => [.. valid[..position], value, .. valid[position..]],
                    2 => valid[..position],
                    _ => noise,
                };
                try
                {
                    var table = CsvTable.Parse(bytes);
                    Assert.All(table.Rows, row => Assert.Equal(table.Columns.Count, row.Length));
                    HeartDisease.PrepareAll(table);
                }
                catch (TrainerException exception)
                {
                    Assert.Matches("^OT-50[0-9]{2} ", exception.Message);
                }
            },
            iter: 3_000);
    }

    private static CsvTable Parse(string text) => CsvTable.Parse(Encoding.UTF8.GetBytes(text));
}
