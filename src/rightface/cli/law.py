"""PLACEHOLDER"""
import typer

app = typer.Typer()
