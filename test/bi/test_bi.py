"""docs/bi.md: its queries give what stands under them, and its picture is that of the catalogue."""

import re
import subprocess

import psycopg2

from ten_weeks import ANSWER, PAGE, PROJECT, load_script

TEXT = PAGE.read_text()
DRAW = PROJECT / "tools" / "draw-model"


def test_ten_questions_with_a_query_each():
    titles = re.findall(r"^### (\d+)\. .*\?$", TEXT, re.MULTILINE)
    assert [int(number) for number in titles] == list(range(1, 11))
    questions = re.split(r"^##+ ", TEXT[TEXT.index("## Ten questions") : TEXT.index("## Exports")], flags=re.MULTILINE)[2:]
    assert [len(ANSWER.findall(question)) for question in questions] == [1] * 10
    assert len(ANSWER.findall(TEXT)) == TEXT.count("```sql\n"), "a query without an answer"


def test_queries_give_what_stands_under_them(shop):
    for found in ANSWER.finditer(TEXT):
        assert shop.ask(found["sql"]) == found["output"], found["sql"]


def test_answers_are_of_something():
    """No answer is empty, and no column of one the same in all rows."""
    for found in ANSWER.finditer(TEXT):
        _, _, *rows, count, _ = found["output"].splitlines()
        assert int(re.fullmatch(r"\((\d+) rows\)", count)[1]) == len(rows) > 2
        for column in zip(*(row.split("|") for row in rows)):
            assert len(set(column)) > 1, found["sql"]


def test_the_page_has_the_picture_of_the_catalogue(shop, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(TEXT)
    shop.run(DRAW, "--into", page)
    assert page.read_text() == TEXT, "test/bi/ten_weeks.py --renew draws it anew"


def test_the_picture_changes_with_the_catalogue(shop):
    """A table, a column, a relation that may be NULL, and one that is there once at most."""
    connection = psycopg2.connect(f"host={shop.server} dbname=shop user=postgres")
    draw = load_script(DRAW).draw
    try:
        cursor = connection.cursor()
        before = draw(connection).splitlines()
        cursor.execute(
            "ALTER TABLE warehouse.dim_products ADD COLUMN brand varchar(20) UNIQUE;"
            "CREATE TABLE warehouse.stores (date_key int REFERENCES warehouse.dim_date, city text,"
            " geography_key int PRIMARY KEY REFERENCES warehouse.dim_geography)"
        )
        after = draw(connection).splitlines()
    finally:
        connection.rollback()
        connection.close()
    assert [line for line in before if line not in after] == []
    assert [line.strip() for line in after if line not in before] == [
        'dim_date |o--o{ stores : "date_key"',
        'dim_geography ||--o| stores : "geography_key"',
        "character_varying brand UK",
        "stores {",
        "text city",
        "integer geography_key PK, FK",
    ]


def test_draw_model_refuses(shop, tmp_path):
    def complaint(*arguments):
        done = subprocess.run([DRAW, *arguments], env=shop.environment, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 1
        return done.stderr

    page = tmp_path / "page.md"
    page.write_text("nothing\n")
    assert "must have one line <!-- model" in complaint("--into", page)
    assert page.read_text() == "nothing\n"
    assert complaint("--into", tmp_path / "none.md").startswith("draw-model: ")
    assert "does not exist" in complaint("dbname=none")


def test_the_login_is_as_the_page_makes_it(shop):
    settings = shop.sql("SHOW default_transaction_read_only", "SHOW statement_timeout", "SHOW timezone", user="dashboard")
    assert settings.split() == ["on", "1min", "UTC"]
    assert shop.ask("DELETE FROM warehouse.holidays;").startswith("ERROR:")
