using System.Globalization;
using System.Text;

namespace Orleans.Training.Trainer;

/// <summary>
/// A table of comma separated values (RFC 4180, UTF-8, one header line). A field is kept as its text; an empty one is missing and null.
/// </summary>
public sealed class CsvTable
{
    /// <summary>Rows under the header.</summary>
    public const int RowLimit = 1_000_000;
    /// <summary>Columns.</summary>
    public const int ColumnLimit = 4096;
    /// <summary>Characters of one field.</summary>
    public const int FieldLimit = 64 * 1024;

    private readonly Dictionary<string, int> _columns = new(StringComparer.Ordinal);

    private CsvTable(string?[] header, List<string?[]> rows)
    {
        for (var i = 0; i < header.Length; i++)
        {
            if (header[i] is not { } name || !_columns.TryAdd(name, i)) throw new TrainerException(TrainerFault.BadColumn, $"line 1: column {i + 1} has no name, or one that is used already");
        }

        Columns = header!;
        Rows = rows;
    }

    /// <summary>The names in the header.</summary>
    public IReadOnlyList<string> Columns { get; }

    /// <summary>The rows, each with one field for every column.</summary>
    public IReadOnlyList<string?[]> Rows { get; }

    /// <summary>Reads a file, packed with gzip or not.</summary>
    /// <exception cref="TrainerException">The file cannot be read, or breaks the format or a limit.</exception>
    public static CsvTable Load(string path) => Parse(DataFile.Read(path));

    /// <summary>Parses the bytes of a file.</summary>
    /// <exception cref="TrainerException">They break the format or a limit.</exception>
    public static CsvTable Parse(ReadOnlySpan<byte> bytes)
    {
        string text;
        try
        {
            text = new UTF8Encoding(false, true).GetString(bytes);
        }
        catch (DecoderFallbackException exception)
        {
            throw new TrainerException(TrainerFault.BadText, "the table is not UTF-8", exception);
        }

        if (text.StartsWith('\uFEFF')) text = text[1..];
        var scanner = new Scanner(text);
        if (scanner.AtEnd) throw new TrainerException(TrainerFault.BadColumn, "the table has no header line");
        var header = scanner.ReadRow(null);
        var rows = new List<string?[]>();
        while (!scanner.AtEnd)
        {
            if (rows.Count == RowLimit) throw new TrainerException(TrainerFault.TooLarge, $"more than {RowLimit} rows");
            rows.Add(scanner.ReadRow(header.Length));
        }

        return new CsvTable(header, rows);
    }

    /// <summary>Where a column stands.</summary>
    /// <exception cref="TrainerException">There is none of this name.</exception>
    public int ColumnOf(string name) =>
        _columns.TryGetValue(name, out var index) ? index : throw new TrainerException(TrainerFault.BadColumn, $"there is no column '{name}'");

    /// <summary>A field as a finite number, or null where it is missing.</summary>
    /// <exception cref="TrainerException">The field is something else.</exception>
    public double? NumberAt(int row, int column)
    {
        if (Rows[row][column] is not { } text) return null;
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)) return number;
        throw new TrainerException(TrainerFault.BadNumber, $"row {row + 1}, column '{Columns[column]}': not a number");
    }

    private sealed class Scanner(string text)
    {
        private int _position;
        private int _line = 1;

        public bool AtEnd => _position == text.Length;

        public string?[] ReadRow(int? expected)
        {
            var fields = new List<string?>(expected ?? 16);
            var line = _line;
            while (true)
            {
                if (fields.Count == ColumnLimit) throw new TrainerException(TrainerFault.TooLarge, $"line {line}: more than {ColumnLimit} columns");
                fields.Add(ReadField());
                if (AtEnd || text[_position] != ',') break;
                _position++;
            }

            SkipLineEnd();
            if (expected is { } count && fields.Count != count) throw new TrainerException(TrainerFault.RaggedRow, $"line {line}: {fields.Count} fields where the header has {count}");
            return [.. fields];
        }

        private string? ReadField()
        {
            var field = !AtEnd && text[_position] == '"' ? ReadQuoted() : ReadPlain();
            if (field.Length > FieldLimit) throw new TrainerException(TrainerFault.TooLarge, $"line {_line}: a field of more than {FieldLimit} characters");
            return field.Length == 0 ? null : field;
        }

        private string ReadPlain()
        {
            var start = _position;
            while (!AtEnd && text[_position] is not (',' or '\n' or '\r'))
            {
                if (text[_position] == '"') throw new TrainerException(TrainerFault.BadQuote, $"line {_line}: a quote inside a field that does not begin with one");
                _position++;
            }

            return text[start.._position];
        }

        private string ReadQuoted()
        {
            var (field, line) = (new StringBuilder(), _line);
            for (_position++; !AtEnd; _position++)
            {
                var character = text[_position];
                if (character == '\n') _line++;
                if (character == '"')
                {
                    if (_position + 1 == text.Length || text[_position + 1] != '"')
                    {
                        _position++;
                        if (!AtEnd && text[_position] is not (',' or '\n' or '\r')) throw new TrainerException(TrainerFault.BadQuote, $"line {_line}: characters behind a closing quote");
                        return field.ToString();
                    }

                    _position++;
                }

                field.Append(character);
            }

            throw new TrainerException(TrainerFault.BadQuote, $"line {line}: a quote that is not closed");
        }

        private void SkipLineEnd()
        {
            if (AtEnd) return;
            if (text[_position] == '\r') _position++;
            if (AtEnd || text[_position] != '\n') throw new TrainerException(TrainerFault.RaggedRow, $"line {_line}: a carriage return that ends no line");
            _position++;
            _line++;
        }
    }
}
